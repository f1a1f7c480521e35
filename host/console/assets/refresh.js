// Loads what is still moving anew every few seconds, until it has come to rest.

const EVERY = 3000;

async function refresh(element) {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById(element.id);
  if (!fresh) return;
  element.replaceWith(document.adoptNode(fresh));
  if ("refresh" in fresh.dataset) later(fresh);
}

function later(element) {
  // A page that nobody looks at waits.
  setTimeout(() => (document.hidden ? later(element) : refresh(element).catch(() => later(element))), EVERY);
}

for (const element of document.querySelectorAll("[data-refresh][id]")) later(element);
