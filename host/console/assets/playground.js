// Streams the playground's answers. Without this file the same forms are answered by a whole page.

const answer = document.getElementById("answer");

/** Reads a stream of events, piece by piece. */
async function read(response, on) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    let at;
    while ((at = rest.indexOf("\n\n")) >= 0) {
      const [event, data] = rest.slice(0, at).split("\n");
      rest = rest.slice(at + 2);
      on(event.slice("event: ".length), JSON.parse(data.slice("data: ".length)));
    }
  }
}

/** The panel that shows an answer while it is written. */
function begin(question) {
  const panel = document.createElement("section");
  panel.className = "panel";
  const asked = Object.assign(document.createElement("p"), { className: "asked", textContent: question });
  const step = Object.assign(document.createElement("p"), { className: "quiet", textContent: "Searching" });
  const text = Object.assign(document.createElement("div"), { className: "answer" });
  panel.append(asked, text, step);
  answer.replaceChildren(panel);
  panel.scrollIntoView({ block: "start" });
  return { step, text };
}

async function ask(form) {
  const button = form.querySelector("button:not([type=button])");
  const body = new URLSearchParams(new FormData(form));
  const headers = { accept: "text/event-stream" };
  button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body, headers });
    // A refusal is a page: the form is sent again without script, and asks once.
    if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream")) return form.submit();
    const shown = begin(body.get("question"));
    let ended = false;
    await read(response, (event, data) => {
      if (event === "text") { shown.text.append(data.text); shown.step.textContent = ""; }
      if (event === "step") shown.step.textContent = data.text;
      if (event === "end") {
        ended = true;
        // Drawn by the console's own page.
        answer.innerHTML = data.html;
        const once = document.querySelector("[data-once]");
        if (once) once.value = data.once;
      }
    });
    if (!ended) shown.step.textContent = "The connection ended before the answer did. Ask again: it isn't counted twice.";
  } catch {
    form.submit();
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.closest("[data-playground]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  ask(event.target);
}, { capture: true });
