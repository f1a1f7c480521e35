// The kit of the suites in a real browser. A suite opens a view, visits pages in it and says what has to hold there:
//
//   for (const view of views()) {
//     test(`the keys, ${view.name}`, () => inView(view, async (page) => {
//       await visit(page, '/console/keys');
//       await audit(page);
//       await shot(page, 'keys');
//     }));
//   }
//
// Each visit fails on what must never happen on a page of the host: see `watch`. The Rust suite starts the server and sets:
//   RESLY_URL: its address
//   RESLY_SCREENSHOTS: the folder for pictures; `target/screenshots` when absent
//   CHROMIUM: the browser; one of those in `PATH` when absent
import assert from 'node:assert/strict';
import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PICTURES = process.env.RESLY_SCREENSHOTS ?? fileURLToPath(new URL('../../target/screenshots/', import.meta.url));
/** The tallest picture, in pixels. Of a longer page the first screen is stored. */
const TALLEST = 5000;

const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const SCHEMES = ['light', 'dark'];

/** The views of a page: both sizes in both schemes, with script or without. */
export function views({ script = true, sizes = Object.keys(SIZES), schemes = SCHEMES } = {}) {
  return sizes.flatMap((size) => schemes.map((scheme) => {
    const name = `${size}-${scheme}${script ? '' : '-without-script'}`;
    return { name, size, scheme, script };
  }));
}

function executable() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  const path = process.env.CHROMIUM ?? found;
  if (!path) throw new Error('there is no Chromium: run `make chromium`, which installs it');
  return path;
}

let launched;

/** The browser of this process. It resolves no name, so that nothing leaves the machine. */
export function browser() {
  launched ??= chromium.launch({
    executablePath: executable(),
    // The sandbox can't be had by root, as whom CI runs.
    chromiumSandbox: process.getuid?.() !== 0,
    args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--disable-gpu'],
  });
  return launched;
}

after(async () => (await launched)?.close());

const watches = new WeakMap();

/** The host's address. */
export function base() {
  const url = process.env.RESLY_URL;
  if (!url) throw new Error('set RESLY_URL to a running server');
  return url;
}

/**
 * Opens a view and runs `use` with its page. `options` are those of Playwright's contexts beyond the view's own, such as
 * `storageState`; `origin` is the host's when absent.
 */
export async function inView(view, use, { origin = base(), ...options } = {}) {
  const context = await (await browser()).newContext({
    baseURL: origin, viewport: SIZES[view.size], colorScheme: view.scheme, javaScriptEnabled: view.script,
    reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC', serviceWorkers: 'block', ...options,
  });
  context.setDefaultTimeout(15_000);
  try {
    const page = await context.newPage();
    await watch(page, view, new URL(origin).origin);
    await use(page);
    await check(page);
  } finally {
    await context.close();
  }
}

/** Writes down what must never happen: `check` fails on it. */
async function watch(page, view, origin) {
  const problems = [];
  const context = page.context();
  const foreign = (url) => !['data:', 'blob:', 'about:'].includes(new URL(url).protocol) && new URL(url).origin !== origin;
  context.on('console', (message) => {
    // A browser asks every host for this icon, and a page without one isn't wrong.
    const icon = message.location().url === `${origin}/favicon.ico`;
    if (message.type() === 'error' && !icon) {
      problems.push({ what: 'console error', detail: message.text(), url: message.location().url });
    }
  });
  context.on('weberror', (error) => problems.push({ what: 'page error', detail: String(error.error()) }));
  context.on('request', (request) => {
    if (foreign(request.url())) problems.push({ what: 'request to another origin', detail: request.url() });
  });
  context.on('response', (response) => {
    if (response.status() >= 500) problems.push({ what: `status ${response.status()}`, detail: response.url() });
  });
  context.on('dialog', async (dialog) => {
    problems.push({ what: 'dialog', detail: dialog.message() });
    await dialog.dismiss();
  });
  context.on('page', (other) => {
    if (other !== page) problems.push({ what: 'another window', detail: other.url() });
  });
  const debug = await context.newCDPSession(page);
  debug.on('Audits.issueAdded', ({ issue }) => {
    if (issue.code === 'ContentSecurityPolicyIssue') {
      const { violatedDirective, blockedURL = 'inline' } = issue.details.contentSecurityPolicyIssueDetails ?? {};
      problems.push({ what: 'violation of the content policy', detail: `${violatedDirective}: ${blockedURL}` });
    }
  });
  await debug.send('Audits.enable');
  watches.set(page, { problems, debug, view });
}

/** Fails on what was seen since the last check. */
export async function check(page) {
  // What the page has caused so far arrives before the answer.
  await page.evaluate(() => document.readyState);
  const found = watches.get(page).problems.splice(0);
  const lines = found.map(({ what, detail, url }) => `  ${what}: ${detail}${url ? ` (${url})` : ''}`);
  assert.equal(found.length, 0, `${page.url()}:\n${lines.join('\n')}`);
}

/** Opens a page, waits until it is loaded and painted, and checks it. `statuses` are those that it may have. */
export async function visit(page, path, { statuses = [200] } = {}) {
  const response = await page.goto(path, { waitUntil: 'load' });
  const status = response.status();
  assert.ok(statuses.includes(status), `${path} answers ${status}`);
  await painted(page);
  if (status >= 400) {
    // The browser tells of the page's own status on the console.
    const { problems } = watches.get(page);
    const own = problems.findIndex(({ what, url }) => what === 'console error' && url === response.url());
    if (own >= 0) problems.splice(own, 1);
  }
  await check(page);
  return response;
}

/** Waits for two frames, after which scripts and styles of the load are done. */
export async function painted(page) {
  if (watches.get(page).view.script) {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }
}

/** Fails on accessibility violations that axe-core calls serious or critical, and on horizontal overflow. */
export async function audit(page) {
  await overflow(page);
  const { debug, view } = watches.get(page);
  assert.ok(view.script, 'axe-core needs a view with script');
  // The debugger's own evaluation isn't bound by the page's content policy.
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await debug.send('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true,
    });
    assert.ok(!exceptionDetails, `axe-core: ${exceptionDetails?.exception?.description}`);
    return result.value;
  };
  await evaluate(`window.axe ? 0 : (() => { ${AXE}\n return 0 })()`);
  const found = await evaluate(
    `axe.run(document, { resultTypes: ['violations'], preload: false }).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, impact, help, nodes }) => ({ id, impact, help, at: nodes.map((node) => node.target.join(' ')) })))`,
  );
  const lines = found.map(({ id, impact, help, at }) => `  ${impact}, ${id}: ${help}: ${at.slice(0, 5).join(' | ')}`);
  assert.equal(found.length, 0, `${page.url()}, ${view.name}:\n${lines.join('\n')}`);
}

/** Fails when the document is wider than the window. */
export async function overflow(page) {
  const found = await page.evaluate(() => {
    const root = document.documentElement;
    const most = root.clientWidth;
    if (root.scrollWidth <= most) return null;
    const wide = [...document.body.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > most + 1);
    const name = (one) => [one.localName, one.id && `#${one.id}`, ...[...one.classList].map((c) => `.${c}`)].join('');
    return { width: root.scrollWidth, most, wide: wide.slice(0, 5).map(name) };
  });
  assert.equal(found, null, `${page.url()} is ${found?.width} wide in a window of ${found?.most}: ${found?.wide}`);
}

/** Stores a picture of the page, named after it and the view. */
export async function shot(page, name) {
  mkdirSync(PICTURES, { recursive: true });
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const path = join(PICTURES, `${name}-${watches.get(page).view.name}.png`);
  await page.screenshot({ path, fullPage: height <= TALLEST });
}
