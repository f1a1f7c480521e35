// Two whole paths through the console, in organizations that an operator has just made: a newcomer gets from the first
// sign-in to a chat that a connector and a citation answer, and an agent takes a conversation over and gives it back.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

import { audit, base, check, inView, painted, shot, views } from './kit.mjs';

const KNOWN = '# Returns\n\nYou can return a parcel within 30 days. We pay the postage of a return.';
const ORDER = 'Where is my order #1001? My e-mail is ada@example.com.';
const POSTAGE = 'Who pays the postage of a return?';
const PASSWORD = 'correct horse battery';
/** How long a page may take, in milliseconds: the first call of a connector on a machine compiles it. */
const PATIENCE = 120_000;

/** Runs a command of the host's operator, which prints one JSON line. */
function operator(...words) {
  const { PATH, RESLY_BINARY, RESLY_DATA, RESLY_MASTER_KEY } = process.env;
  if (!RESLY_BINARY) throw new Error('set RESLY_BINARY, RESLY_DATA and RESLY_MASTER_KEY to those of the running server');
  const env = { PATH, RESLY_DATA, RESLY_MASTER_KEY };
  return JSON.parse(execFileSync(RESLY_BINARY, words, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
}

/** An empty organization: a key of its operator, and the first owner's one-time link. */
function organization(name) {
  const key = operator('init', '--organization', name).admin_key;
  const { pathname, search } = new URL(operator('members', 'link', '--organization', name).url);
  return { key, link: pathname + search };
}

/** A person's hands: with a mouse. */
const mouse = {
  press: (_, target) => target.click(),
  type: (_, target, text) => target.fill(text),
};

/** The same with a keyboard alone. */
const keyboard = {
  async press(page, target) {
    await reach(page, target);
    await page.keyboard.press('Enter');
  },
  async type(page, target, text) {
    await reach(page, target);
    await page.keyboard.insertText(text);
  },
};

/** Presses Tab until the element has the focus. */
async function reach(page, target) {
  for (let steps = 0; steps < 200; steps += 1) {
    if (await target.evaluate((one) => one === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab doesn't reach ${target} on ${page.url()}`);
}

/** A person at a page: presses what leads on, and waits until the next page is there. */
function person(page, hands = mouse) {
  const link = (name) => page.getByRole('link', { name, exact: true }).first();
  const button = (name) => page.getByRole('button', { name, exact: true }).first();
  const go = async (target) => {
    await Promise.all([page.waitForEvent('load', { timeout: PATIENCE }), hands.press(page, target)]);
    await painted(page);
    await check(page);
  };
  return {
    page,
    press: (name) => hands.press(page, button(name)),
    type: (label, text) => hands.type(page, page.getByLabel(label, { exact: true }), text),
    /** Follows a link, or sends a form by its button. */
    follow: (name) => go(link(name)),
    send: (name) => go(button(name)),
    home: () => go(link('Resly')),
    open: async (path) => {
      await page.goto(path);
      await painted(page);
      await check(page);
    },
    sees: (text) => page.locator('main').getByText(text).first().waitFor(),
    text: () => page.locator('main').innerText(),
  };
}

/** Asks as an app does. */
async function ask(key, content, conversationId) {
  const body = JSON.stringify({ messages: [{ role: 'user', content }], visitorId: 'ada', ...(conversationId && { conversationId }) });
  return call(key, 'POST', '/api/chat?format=json', body);
}

async function call(key, method, path, body) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(base() + path, { method, headers, body });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

/** From the first sign-in to a script for the own site, by what each page offers next. */
async function settle({ link }, page, hands, name) {
  const me = person(page, hands);
  let pictures = 0;
  const picture = (what) => shot(page, `path-${name}-${(pictures += 1)}-${what}`);
  const done = async (count) => {
    await me.home();
    await me.sees(`${count} of 5 done`);
    assert.equal(await page.locator('.tick.done').count(), count);
  };

  await me.open(link);
  await me.send('Sign in');
  await me.sees('0 of 5 done');
  await me.sees("You can't sign in again yet");
  await audit(page);
  await picture('home');

  await me.follow('Begin');
  await me.type('Name', 'My server');
  await me.send('Generate the key');
  const key = await page.locator('.secret code').innerText();
  await picture('key');
  await me.follow('Done');

  await done(1);
  await me.follow('Begin');
  await me.type('Title', 'Returns');
  await me.type('Text', KNOWN);
  await me.send('Add the text');
  await me.sees('found from now on');
  await picture('knowledge');

  await done(2);
  await me.follow('Begin');
  await me.follow('Shopify');
  await picture('connector');
  await me.follow('Install');
  await me.follow('Grant this and go on');
  await me.send('Go on');
  await me.type('Store', 'acme');
  await picture('settings');
  await me.send('Install');
  await me.send('Run the test');
  await me.sees('The test passed');
  await me.send('Enable in the sandbox');
  await me.sees('Chats use this connection now');
  await picture('connection');

  await me.follow('Ask about it');
  await me.sees('#1001, ada@example.com');
  await me.type('Question', ORDER);
  await me.press('Ask');
  await me.sees('Walking boots');
  await me.sees('[1] Shopify: Find an order (sandbox)');
  await audit(page);
  await picture('order');
  await me.type('Go on with this conversation', POSTAGE);
  await me.press('Go on');
  await me.sees('From Returns: “We pay the postage of a return.” [1]');
  await me.sees('[1] Returns');
  await picture('postage');

  await done(4);
  await picture('ticked');
  await me.follow('Begin');
  await me.type('Name', 'My site');
  await me.type('Allowed origins', 'https://shop.example');
  await me.send('Make the key');
  await me.sees('The script for your page, with the key in it');
  await picture('widget');
  await me.follow('Done');
  await me.home();
  assert.ok(!(await me.text()).includes('Get started'), 'nothing is left to do');

  const answer = await ask(key, ORDER);
  assert.match(answer.content, /Walking boots/);
  assert.equal(answer.citations.length, 1, 'the key works in a program');
}

const [deskLight, deskDark, , phoneDark] = views();

test('a newcomer gets to an answer without leaving the console, by mouse', () =>
  inView(deskLight, (page) => settle(organization('by mouse'), page, mouse, 'newcomer')));

test('the same by keyboard alone', () =>
  inView(deskDark, (page) => settle(organization('by keyboard'), page, keyboard, 'keyboard')));

test('the same on a phone', () =>
  inView(phoneDark, (page) => settle(organization('on a phone'), page, mouse, 'newcomer')));

/** Invites somebody, and returns the link that the console shows. */
async function invite(owner, email, role) {
  await owner.open('/console/account/members');
  await owner.press('Invite somebody');
  const dialog = owner.page.getByRole('dialog');
  await dialog.getByLabel('E-mail').fill(email);
  await dialog.getByLabel('Role').selectOption(role);
  await owner.send('Make the invitation');
  const { pathname, search } = new URL(await owner.page.locator('.copyable code').first().innerText());
  return pathname + search;
}

async function join(somebody, link, name) {
  await somebody.open(link);
  await somebody.type('Your name', name);
  await somebody.type('Password', PASSWORD);
  await somebody.send('Join');
  await somebody.sees('Needs attention');
}

test('an agent takes a conversation over and gives it back; a viewer sees it', async () => {
  const { key, link } = organization('with agents');
  await call(key, 'POST', '/api/admin/sources', JSON.stringify({ title: 'Returns', text: KNOWN }));
  const links = {};
  await inView(deskLight, async (page) => {
    const owner = person(page);
    await owner.open(link);
    await owner.send('Sign in');
    links.agent = await invite(owner, 'bo@shop.example', 'agent');
    await shot(page, 'path-agent-1-invited');
    links.viewer = await invite(owner, 'cy@shop.example', 'viewer');
  });

  const first = await ask(key, POSTAGE);
  assert.equal(first.status, 'complete');
  const id = first.conversationId;
  const messages = `/api/chat/${id}/messages?visitorId=ada`;
  const path = `/console/conversations/${id}`;

  await inView(phoneDark, (page) => inView(deskLight, async (other) => {
    const agent = person(page);
    await join(agent, links.agent, 'Bo');
    const viewer = person(other);
    await join(viewer, links.viewer, 'Cy');

    const asked = await call(key, 'POST', `/api/chat/${id}/hand-over?visitorId=ada`, '{}');
    assert.equal(asked.state, 'waiting');
    await agent.open('/console/conversations');
    await agent.follow('Waiting');
    await shot(page, 'path-agent-2-waiting');
    await agent.follow(POSTAGE);
    await agent.send('Take over');
    await agent.sees('It is yours');
    await agent.type('Your reply', 'I pay it for you.');
    await agent.send('Send');
    const heard = await call(key, 'GET', `${messages}&after=${first.id}`);
    const said = heard.messages.filter(({ role }) => role === 'agent').map(({ content }) => content);
    assert.deepEqual([heard.state, said], ['agent', ['I pay it for you.']], 'the visitor reads it');

    const silent = await ask(key, POSTAGE, id);
    assert.equal(silent.status, 'handed_over', 'the assistant says nothing');
    const spoken = await call(key, 'GET', messages);
    assert.equal(spoken.messages.filter(({ content }) => content.startsWith('From Returns')).length, 1);
    // What the visitor says comes by itself.
    await agent.page.locator('.transcript .visitor').nth(1).waitFor();
    await audit(page);
    await shot(page, 'path-agent-3-taken');

    await viewer.open(path);
    await viewer.sees('I pay it for you.');
    assert.doesNotMatch(await viewer.text(), /Take over|Give back|Your reply/);
    await shot(other, 'path-agent-4-viewer');
    const form_token = await other.locator('input[name=form_token]').first().getAttribute('value');
    for (const does of ['take', 'reply', 'return', 'close']) {
      const headers = { 'sec-fetch-site': 'same-origin' };
      const refused = await other.request.post(`${path}/${does}`, { form: { form_token, content: 'x' }, headers });
      assert.equal(refused.status(), 403, does);
    }

    await agent.send('Give back to the assistant');
    await agent.sees("The assistant answers the visitor's next message");
    const back = await ask(key, POSTAGE, id);
    assert.deepEqual([back.status, back.citations.length], ['complete', 1], 'the assistant answers again');
    await agent.open(path);
    await shot(page, 'path-agent-5-back');
  }));
});
