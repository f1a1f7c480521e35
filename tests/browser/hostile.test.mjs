// No page of the console runs, loads or links what a hostile string asks for, wherever the string came from.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { harmless, HOSTILE, plainCells, URLS } from './hostile.mjs';
import { check, inView, overflow, views, visit } from './kit.mjs';
import { seed } from './seed.mjs';
import { csv, session, walk } from './walk.mjs';

const [desk] = views({ schemes: ['light'] });
const phone = views({ sizes: ['phone'], schemes: ['dark'] })[0];
/** Pages of each pattern, such as those of a list, and the things that it lists. */
const SCOPE = { most: 6 };

before(async () => {
  const taken = await seed(HOSTILE, URLS);
  for (const field of ['keys', 'workflows', 'tickets', 'visitors', 'sources', 'connections', 'conversations']) {
    assert.ok(taken[field] >= 500, `only ${taken[field]} strings are in ${field}`);
  }
});

test('there are more than 500 hostile strings', () => assert.ok(HOSTILE.length >= 500, HOSTILE.length));

test("a person's name is harmless", async () => inView(desk, async (page) => {
  await visit(page, '/console/account');
  for (const name of [`"><img src=x onerror=__pwned=1>`, `</title></nav><svg onload=__pwned=1>`, '{{7*7}}\u202E', '=1+1']) {
    await page.locator('input[name=name]').fill(name);
    await Promise.all([page.waitForNavigation(), page.locator('form[action$="/profile"] button').click()]);
    await check(page);
    await harmless(page);
  }
}, { storageState: await session(), bypassCSP: true }));

// Once with the content policy, whose violations fail, and once without it, so that nothing but the escaping protects.
for (const [name, view, bypassCSP] of [['under the policy', phone, false], ['without the policy', desk, true]]) {
  test(`the console's pages are harmless ${name}`, async () => inView(view, async (page) => {
    let shown = 0;
    const exports = new Set();
    await walk(page, async () => {
      await harmless(page);
      await overflow(page);
      const text = await page.locator('body').innerText();
      shown += HOSTILE.filter((one) => one.length > 8 && text.includes(one.trim())).length;
      for (const one of await csv(page)) exports.add(one);
    }, SCOPE);
    for (const path of exports) plainCells(await (await page.request.get(path)).text());
    assert.ok(shown >= 100, `the pages show ${shown} strings`);
  }, { storageState: await session(), bypassCSP }));
}

test('addresses that pages repeat are harmless', async () => inView(desk, async (page) => {
  const statuses = [200, 400, 403, 404];
  for (let at = 0; at < HOSTILE.length; at += 20) {
    // As long as a request's line may be.
    const text = HOSTILE.slice(at, at + 20).map((one) => encodeURIComponent(one.toWellFormed()).slice(0, 300)).join('%0A')
      .replaceAll(/%(?![0-9A-F]{2})|%[0-9A-F]$/g, '');
    for (const path of [`/console?oauth=failed&connection=${text}&reason=${text}`, `/console?token=${text}`, `/docs/${text}`]) {
      await visit(page, path, { statuses });
      await harmless(page);
    }
  }
}, { bypassCSP: true }));
