// Keeps a transcript fresh: what `data-live` names is loaded again every few seconds while the page is looked at. Without
// this file, the page shows it as it was when it was loaded.

import { localTimes } from "./console.js";

const EVERY = 4000;

for (const part of document.querySelectorAll("[data-live]")) {
  let shown = null;
  const refresh = async () => {
    if (document.visibilityState !== "visible") return;
    const response = await fetch(part.dataset.live, { headers: { accept: "text/html" }, redirect: "error" });
    if (!response.ok) return;
    const text = await response.text();
    // The first text is what the page has already.
    if (shown !== null && text !== shown) {
      part.innerHTML = text;
      localTimes(part);
    }
    shown = text;
  };
  const again = () => refresh().catch(() => {}).finally(() => setTimeout(again, EVERY));
  again();
}
