// Every kind of page that links lead to in the console, in every view. What a page is for has a suite of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { audit, inView, overflow, shot, views, visit } from './kit.mjs';
import { keyboard } from './keyboard.mjs';
import { picture, session, walk } from './walk.mjs';

/** What is seen before the sign-in, by the names of the pictures. */
const OUTSIDE = {
  'console-sign-in': '/console/sign-in', 'console-link': '/console/sign-in/link?token=x',
  'console-invitation': '/console/invitation?token=x',
};

for (const view of views()) {
  test(`before the sign-in, ${view.name}`, () => inView(view, async (page) => {
    for (const [name, path] of Object.entries(OUTSIDE)) {
      await visit(page, path, { statuses: [200, 403, 404] });
      await audit(page);
      await keyboard(page);
      await shot(page, name);
    }
  }));

  test(`the console, ${view.name}`, async () => inView(view, async (page) => {
    await walk(page, async (_, path) => {
      await audit(page);
      await shot(page, picture(path));
    });
  }, { storageState: await session() }));
}

for (const view of views({ script: false, schemes: ['light'] })) {
  test(`the console, ${view.name}`, async () => inView(view, async (page) => {
    await walk(page, async (_, path) => {
      await overflow(page);
      assert.ok((await page.locator('main').innerText()).trim().length > 0, `${path} shows something`);
    });
  }, { storageState: await session() }));
}

test('the console is used by keyboard alone', async () => inView(views()[0], async (page) => {
  await walk(page, () => keyboard(page));
}, { storageState: await session() }));
