// Keeps a page up to date: follows a list that grows, and loads a page again that says it isn't final.

import { localTimes } from "./console.js";

const EVERY = 3000;
const MOST_ROWS = 500;

const newer = document.querySelector("[data-newer]");
const follow = document.querySelector("[data-follow]");
const told = document.querySelector("[data-followed]");

if (newer && follow) {
  let timer = null;
  let added = 0;
  follow.hidden = false;
  follow.addEventListener("click", () => {
    const follows = follow.getAttribute("aria-pressed") !== "true";
    set(follows);
    if (follows) look();
  });

  function set(follows) {
    follow.setAttribute("aria-pressed", String(follows));
    follow.textContent = follows ? "Stop following" : "Follow";
    clearTimeout(timer);
  }

  async function look() {
    // A page that nobody sees asks for nothing.
    if (!document.hidden) {
      try {
        await add();
      } catch {
        set(false);
        told.textContent = "The host can't be reached.";
        return;
      }
    }
    if (follow.getAttribute("aria-pressed") === "true") timer = setTimeout(look, EVERY);
  }

  async function add() {
    const answer = await fetch(newer.href);
    // The session has ended: the sign-in leads back here.
    if (answer.redirected) location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const rows = page.querySelectorAll("tbody tr");
    const next = page.querySelector("[data-newer]");
    if (rows.length === 0 || !next) return;
    localTimes(page);
    const list = document.querySelector("tbody");
    list.prepend(...rows);
    while (list.rows.length > MOST_ROWS) list.lastElementChild.remove();
    newer.href = next.getAttribute("href");
    added += rows.length;
    told.textContent = added === 1 ? "1 new call" : `${added} new calls`;
  }
}

if (document.querySelector("[data-reload]")) setTimeout(() => location.reload(), 2000);
