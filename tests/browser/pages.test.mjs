// The front page and the handbook, which anybody can read.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { audit, inView, overflow, shot, views, visit } from './kit.mjs';
import { keyboard } from './keyboard.mjs';

/** Paths by the name of their pictures. */
const PAGES = {
  front: '/', handbook: '/docs', 'chat-api': '/docs/chat-api', problems: '/docs/problems', problem: '/docs/problems/limit-reached',
};

for (const view of views()) {
  test(`pages, ${view.name}`, () => inView(view, async (page) => {
    for (const [name, path] of Object.entries(PAGES)) {
      await visit(page, path);
      await audit(page);
      await shot(page, name);
    }
    await visit(page, '/docs/no-such-page', { statuses: [404] });
    await audit(page);
  }));
}

for (const view of views({ script: false, schemes: ['light'] })) {
  test(`pages, ${view.name}`, () => inView(view, async (page) => {
    for (const path of Object.values(PAGES)) {
      await visit(page, path);
      await overflow(page);
      assert.ok((await page.locator('main').innerText()).length > 100, `${path} shows its text`);
    }
  }));
}

test('every page of the handbook is sound at 390 pixels', () => inView(views({ sizes: ['phone'] })[0], async (page) => {
  await visit(page, '/docs');
  const links = await page.locator('main a[href^="/docs/"]').evaluateAll((all) => all.map((one) => one.pathname));
  const paths = [...new Set(links)];
  assert.ok(paths.length > 20, `the handbook lists ${paths.length} pages`);
  for (const path of paths) {
    await visit(page, path);
    await overflow(page);
  }
}));

test('the pages are used by keyboard alone', () => inView(views()[0], async (page) => {
  for (const path of ['/', '/docs/api-keys']) {
    await visit(page, path);
    await keyboard(page);
  }
  await visit(page, '/docs/api-keys');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.localName), 'main', 'the skip link leads to the content');
}));
