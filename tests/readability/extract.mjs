// Prints what Readability takes of each saved page, as JSON: the page's name and its text.
import { readFileSync, readdirSync } from "node:fs";
import { Readability } from "@mozilla/readability";
import { JSDOM } from "jsdom";

const pages = new URL("../pages/", import.meta.url);
const texts = {};
for (const file of readdirSync(pages).filter((file) => file.endsWith(".html"))) {
  const { window } = new JSDOM(readFileSync(new URL(file, pages), "utf8"));
  texts[file.slice(0, -5)] = new Readability(window.document).parse()?.textContent ?? "";
}
console.log(JSON.stringify(texts));
