// Signs in to the console and finds its pages by their links, so that new pages are covered by themselves.
import assert from 'node:assert/strict';

import { inView, views, visit } from './kit.mjs';

/** Where the console begins. */
export const START = '/console';

let signed;

/** The cookies of a member who has signed in by the one-time link in RESLY_CONSOLE_URL. */
export function session() {
  signed ??= signIn();
  return signed;
}

async function signIn() {
  const link = process.env.RESLY_CONSOLE_URL;
  if (!link) throw new Error('set RESLY_CONSOLE_URL to a sign-in link that nobody has used');
  let state;
  await inView(views()[0], async (page) => {
    await page.goto(link, { waitUntil: 'load' });
    // A page before the first one asks for a click, since programs open links, too.
    const button = page.locator('form[method=post i] button');
    if (new URL(page.url()).searchParams.has('token') && await button.count()) {
      await Promise.all([page.waitForURL((url) => !url.searchParams.has('token')), button.first().click()]);
    }
    state = await page.context().storageState();
    assert.ok(state.cookies.length > 0, `the link signs in: ${page.url()}`);
  });
  return state;
}

/** Steps of a path that name a thing. The bundled connectors stand for each other. */
const ID = /\d|^(shopify|stripe|gmail)$/;

/** Pages of one kind have one pattern: ids are left out, and of a query the names stay. */
export function pattern(path) {
  const { pathname, searchParams } = new URL(path, 'http://host.invalid');
  const steps = pathname.split('/');
  const named = steps.map((step, at) => (ID.test(step) || steps[at - 1] === 'actions' ? '{id}' : step));
  const names = [...new Set(searchParams.keys())].sort();
  return named.join('/') + (names.length ? `?${names.join('&')}` : '');
}

/** The links of a page to the console's pages, each once and without its fragment. */
async function links(page) {
  const found = await page.locator('a[href]:not([download])').evaluateAll((all) =>
    all.filter((one) => one.origin === location.origin).map((one) => one.pathname + one.search));
  const pages = found.filter((path) => /^\/console(\/|\?|$)/.test(path) && !/\.(csv|json|md|wasm)(\?|$)|format=csv/.test(path));
  return [...new Set(pages)];
}

/** The page's links to exports. */
export async function csv(page) {
  const all = page.locator('a[href$=".csv"], a[href*=".csv?"], a[href*="format=csv"]');
  return all.evaluateAll((links) => links.filter((one) => one.origin === location.origin).map((one) => one.href));
}

/**
 * Visits the console's pages, beginning at the first and going on by their links, and runs `each` with the page and its
 * path. Of each pattern so many pages are visited.
 */
export async function walk(page, each, { most = 1 } = {}) {
  const seen = new Set([START]);
  const counts = new Map([[START, 1]]);
  const queue = [START];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    await visit(page, path);
    await each(page, path);
    for (const next of await links(page)) {
      const kind = pattern(next);
      const count = counts.get(kind) ?? 0;
      if (seen.has(next) || count >= most) continue;
      counts.set(kind, count + 1);
      seen.add(next);
      queue.push(next);
    }
  }
  return [...seen];
}

/** The name of a page's picture. */
export const picture = (path) => pattern(path).replace(/^\//, '').replace(/[^a-z0-9]+/gi, '-').replace(/-$/, '');
