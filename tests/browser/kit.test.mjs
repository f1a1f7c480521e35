// The kit catches what it says it catches, on pages that are made to be wrong.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { harmless, HOSTILE, plainCells } from './hostile.mjs';
import { audit, inView, overflow, views, visit } from './kit.mjs';
import { keyboard } from './keyboard.mjs';

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'";
const page = (body, style = '') =>
  `<!doctype html><html lang="en"><head><title>A page</title><style>${style}</style></head><body><main><h1>A page</h1>${body}</main></body></html>`;
const SCRIPT = "script-src 'unsafe-inline'";
const shown = (text) => text.replace(/[&<>"']/g, (one) => `&#${one.codePointAt(0)};`);
/** Bodies by path, with a policy where it isn't the usual one. */
const PAGES = {
  '/good': [page('<p><a href="/good">Here</a> <button>Go</button></p>')],
  '/inline-script': [page('<script>1</script>')],
  '/handler': [page('<img src="/good" alt="A shop" onerror="1">')],
  '/foreign': [page('<img src="http://evil.invalid/x.png" alt="A shop">'), 'img-src *'],
  '/blocked': [page('<img src="http://evil.invalid/x.png" alt="A shop">')],
  '/console-error': [page('<script>console.error("oh")</script>'), SCRIPT],
  '/page-error': [page('<script>nothing.here</script>'), SCRIPT],
  '/dialog': [page('<script>alert(1)</script>'), SCRIPT],
  '/part-fails': [page('<img src="/500" alt="A shop">')],
  '/no-label': [page('<p><input name="q"></p>')],
  '/faint': [page('<p>Some text</p>', 'p { color: #ccc; background: #fff }')],
  '/wide': [page('<p>Some text</p>', 'p { width: 2000px }')],
  '/scrolls': [page('<div tabindex="0"><p>Some text</p></div>', 'div { overflow-x: auto } p { width: 2000px }')],
  '/date': [page('<p><label>From <input type="datetime-local"></label> <button>Go</button></p>')],
  '/no-outline': [page('<p><a href="/good">Here</a> <button>Go</button></p>', 'button:focus { outline: none }')],
  '/outside': [page('<p><a href="/good">Here</a></p>', 'a { position: fixed; left: -9999px }')],
  '/raw': [page(HOSTILE.slice(0, 20).filter((text) => !text.includes('refresh')).join('\n')), 'font-src *'],
  '/escaped': [page(HOSTILE.map((text) => `<p title="${shown(text)}">${shown(text)}</p>`).join('')), 'font-src *'],
  '/link': [page('<a href="java\tscript:1">order</a>')],
  '/embeds': [page('<form action="//evil.invalid"></form><base href="/">')],
  '/caught': [
    page('<p><button id="a">A</button><button id="b">B</button><button>C</button></p><script>b.onkeydown = (e) => { e.preventDefault(); a.focus() }</script>'),
    SCRIPT,
  ],
};

let origin;
const server = createServer((request, response) => {
  const [body, policy = POLICY] = PAGES[request.url] ?? [page('')];
  const status = request.url === '/500' ? 500 : PAGES[request.url] ? 200 : 404;
  response.writeHead(status, { 'content-type': 'text/html', 'content-security-policy': policy });
  response.end(body);
});

before(async () => {
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

const [desk] = views();
const [plain] = views({ script: false });
const opened = (path, then = () => {}, view = desk, status = 200) =>
  inView(view, async (page) => { await visit(page, path, { statuses: [status] }); await then(page); }, { origin });

test('a good page passes', async () => {
  await opened('/good', async (page) => { await audit(page); await keyboard(page); });
  await opened('/good', overflow, plain);
  await opened('/missing', audit, desk, 404);
  await opened('/date', keyboard);
  await opened('/scrolls', async (page) => { await audit(page); await keyboard(page); });
});

test('what must never happen is caught', async () => {
  for (const [path, what] of [
    ['/inline-script', /content policy: script-src/], ['/handler', /content policy: script-src/],
    ['/foreign', /another origin: http:\/\/evil\.invalid/], ['/blocked', /content policy: img-src/],
    ['/console-error', /console error: oh/], ['/page-error', /page error: ReferenceError/], ['/dialog', /dialog: 1/],
    ['/part-fails', /status 500/],
  ]) {
    await assert.rejects(opened(path), what, path);
  }
});

test('the same without script', async () => {
  await assert.rejects(opened('/foreign', undefined, plain), /another origin/);
  await assert.rejects(opened('/blocked', undefined, plain), /content policy: img-src/);
  await assert.rejects(opened('/wide', overflow, plain), /is 20\d\d wide in a window of 1440: p/);
});

test('what people can\'t read or reach is caught', async () => {
  await assert.rejects(opened('/no-label', audit), /critical, label/);
  await assert.rejects(opened('/faint', audit), /serious, color-contrast/);
  await assert.rejects(opened('/wide', audit), /is 20\d\d wide in a window of 1440: p/);
  await assert.rejects(opened('/no-outline', keyboard), /<button> Go: it looks as it did without the focus/);
  await assert.rejects(opened('/outside', keyboard), /<a> Here: it lies outside of the window/);
  await assert.rejects(opened('/caught', keyboard), /Tab came to <button id="a"> A and did not reach <button> C/);
});

test('hostile strings are caught where they are not escaped, and nowhere else', async () => {
  await opened('/escaped', harmless);
  await assert.rejects(opened('/raw', harmless), /evil\.invalid/);
  const raw = inView(desk, async (page) => { await page.goto('/raw'); await harmless(page); }, { origin });
  await assert.rejects(raw, /a script ran[^]*an attribute onerror/);
  await assert.rejects(opened('/link', harmless), /a link to java.+script:1/);
  await assert.rejects(opened('/embeds', harmless), /a load of \/\/evil.invalid[^]*an element of a string/);
  plainCells('name,used\r\n"\'=1+1",-5\r\n"a, =b",3');
  assert.throws(() => plainCells('name,used\n"=1+1",5'), /=1\+1/);
});
