// What a page does beyond HTML: copying, the reader's own time, and dialogs in browsers without `command`.
// A page works without this file; what needs it is hidden until it runs.

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  const label = button.querySelector("span");
  button.addEventListener("click", async () => {
    const said = label.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Select and copy it";
    }
    setTimeout(() => { label.textContent = said; }, 2000);
  });
}

const style = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function localTimes(page) {
  for (const time of page.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    time.title = time.dateTime;
    time.textContent = style.format(at);
  }
}
localTimes(document);

if (document.querySelector("[data-follow], [data-reload]")) import("./live.js");
if (document.querySelector("[data-live]")) import("./transcript.js");

if (!("commandForElement" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-dialog], [data-close]");
    if (!button) return;
    const dialog = document.getElementById(button.dataset.dialog ?? button.dataset.close);
    if (button.dataset.dialog) dialog?.showModal(); else dialog?.close();
  });
}

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// What only some pages need.
if (document.querySelector("select[name=canned]")) import("./canned.js");
if (document.querySelector("[data-until]")) import("./countdown.js");
if (document.querySelector("[data-playground]")) import("./playground.js");
if (document.querySelector("[data-refresh]")) import("./refresh.js");
