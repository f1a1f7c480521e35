// Whether a page can be used by keyboard alone.
import assert from 'node:assert/strict';

/** What a person can act on, unless it is hidden, disabled or taken out of the order. */
const INTERACTIVE =
  'a[href], button, input, select, textarea, summary, [tabindex], [contenteditable=""], [contenteditable="true"]';

/**
 * Walks through the page by Tab. Fails when something interactive isn't reached, when the focus can't be seen on it, and
 * when the focus is caught. Leaves the focus at the page's beginning.
 */
export async function keyboard(page) {
  const expected = await page.evaluate(prepare, INTERACTIVE);
  const reached = new Set();
  const invisible = [];
  // Scrollable parts are stops of their own, and so are the parts of a date.
  const most = expected.length * 3 + 40;
  let last = null;
  let end = 'the end of the page';
  for (let steps = 0; steps < most; steps += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(look);
    if (at === null) break;
    if (at.index !== null && at.index === last) continue;
    if (at.index !== null && reached.has(at.index)) {
      end = at.name;
      break;
    }
    if (at.index !== null) reached.add(at.index);
    last = at.index;
    if (at.why) invisible.push(`${at.name}: ${at.why}`);
  }
  const missed = expected.filter(({ index }) => !reached.has(index)).map(({ name }) => name);
  assert.deepEqual(missed, [], `${page.url()}: Tab came to ${end} and did not reach ${missed.join(', ')}`);
  assert.deepEqual(invisible, [], `${page.url()}: the focus can't be seen: ${invisible.join('; ')}`);
  await page.evaluate(() => document.activeElement?.blur());
}

/** In the page: numbers what is interactive, and keeps how it looks without the focus. */
function prepare(selector) {
  const named = (one) => {
    const text = (one.getAttribute('aria-label') ?? one.textContent ?? '').trim().replace(/\s+/g, ' ').slice(0, 40);
    return `<${one.localName}${one.id ? ` id="${one.id}"` : ''}${one.name ? ` name="${one.name}"` : ''}> ${text}`;
  };
  // A group of radio buttons is one stop, at the one that is chosen.
  const lesser = (one) => {
    if (one.type !== 'radio' || !one.name || one.checked) return false;
    const group = [...document.querySelectorAll('input[type=radio]')].filter((other) => other.name === one.name
      && other.form === one.form);
    return group.some((other) => other.checked) || group[0] !== one;
  };
  const usable = (one) => one.tabIndex >= 0 && !one.matches(':disabled') && one.type !== 'hidden' && !lesser(one)
    && one.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && !one.closest('[inert]');
  const style = (one) => {
    const { boxShadow, borderColor, backgroundColor, color, textDecoration } = getComputedStyle(one);
    return JSON.stringify([boxShadow, borderColor, backgroundColor, color, textDecoration]);
  };
  document.activeElement?.blur();
  getSelection()?.removeAllRanges();
  const all = [...document.querySelectorAll(selector)].filter(usable);
  window.__keyboard = { all, before: all.map(style), style, named };
  return all.map((one, index) => ({ index, name: named(one) }));
}

/** In the page: what has the focus, and why that can't be seen. `null` when nothing has it. */
function look() {
  const one = document.activeElement;
  if (!one || one === document.body || one === document.documentElement) return null;
  const { all, before, style, named } = window.__keyboard;
  const found = all.indexOf(one);
  const index = found < 0 ? null : found;
  const now = getComputedStyle(one);
  const outlined = now.outlineStyle !== 'none' && parseFloat(now.outlineWidth) >= 1 && !/, 0\)$/.test(now.outlineColor);
  const changed = index !== null && style(one) !== before[index];
  const box = one.getBoundingClientRect();
  const shown = box.width > 0 && box.height > 0 && box.right > 0 && box.bottom > 0
    && box.left < innerWidth && box.top < innerHeight;
  let why = null;
  if (!shown) why = 'it lies outside of the window';
  else if (!outlined && !changed) why = 'it looks as it did without the focus';
  return { index, name: named(one), why };
}
