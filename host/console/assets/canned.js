// Canned replies by their names: `/name` and then a space or a line break becomes the reply's text.

for (const list of document.querySelectorAll("select[name=canned]")) {
  const area = list.form?.elements.namedItem("content");
  if (!area) continue;
  const texts = new Map([...list.options].map((option) => [option.dataset.name, option.dataset.canned]));
  area.addEventListener("input", () => {
    const typed = area.value.slice(0, area.selectionStart);
    const found = /(^|\s)\/([\p{L}\p{N}_-]+)\s$/u.exec(typed);
    const text = found && texts.get(found[2].toLowerCase());
    if (text === null || text === undefined) return;
    const start = found.index + found[1].length;
    area.setRangeText(text, start, area.selectionStart, "end");
  });
}
