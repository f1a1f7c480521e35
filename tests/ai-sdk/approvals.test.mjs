// The AI SDK's approvals against a running server: a write is asked for, confirmed or not with the SDK's own functions, and
// made once. The Rust suite sets RESLY_URL, RESLY_KEY and RESLY_ADMIN_KEY.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses } from 'ai';

const url = process.env.RESLY_URL;
const key = process.env.RESLY_KEY;
const admin = process.env.RESLY_ADMIN_KEY;
if (!url || !key || !admin) throw new Error('set RESLY_URL, RESLY_KEY and RESLY_ADMIN_KEY to a running server');

async function ask(path, body) {
  const response = await fetch(`${url}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { Authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

let connection;
before(async () => {
  const id = { type: 'string', description: 'The account, such as A-17' };
  const action = (name, side_effect, title) => ({
    id: name, title, description: `${title}.`, side_effect,
    input: { type: 'object', properties: { id }, required: ['id'] },
    request: { method: side_effect === 'write' ? 'POST' : 'GET', url: `https://accounts.example.com/{{ input.id }}/${name}` },
    response: { mapping: '.' },
  });
  await ask('/api/admin/connectors', {
    id: 'accounts', name: 'Accounts', version: '1.0.0', hosts: ['accounts.example.com'], auth: { type: 'none' },
    actions: [action('get', 'read', 'Look up an account'), action('close', 'write', 'Close an account')],
    test: { action: 'get', input: { id: 'A-1' } },
    fixtures: [{ match: {}, response: { status: 200, json: { state: 'closed for good' } } }],
  });
  connection = (await ask('/api/admin/connections', {
    connector: 'accounts', name: 'Our accounts', environment: 'sandbox', settings: {},
  })).id;
  await ask(`/api/admin/connections/${connection}/enable`, {});
  await ask('/api/admin/workflows', { name: 'closing', triggers: ['close my account'], connection, action: 'close' });
});

const closings = async () => {
  const logs = await ask(`/api/admin/logs?connection=${connection}`);
  return (logs.logs ?? logs).filter((call) => call.action === 'close').length;
};

/** A chat that goes on by itself once everything was answered, and a promise of that answer's end. */
function chat(name) {
  const errors = [];
  let ends = 0;
  let over;
  const ended = new Promise((resolve) => { over = resolve; });
  const made = new Chat({
    id: `${name}-${Date.now()}`,
    transport: new DefaultChatTransport({ api: `${url}/api/chat?format=ui`, headers: { Authorization: `Bearer ${key}` } }),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    onError: (error) => { errors.push(error); over(); },
    onFinish: () => { ends += 1; if (ends === 2) over(); },
  });
  return { made, errors, ended };
}

const text = (message) => message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('\n');
const tool = (message) => message.parts.find((part) => part.type === 'dynamic-tool');

async function asked(made) {
  await made.sendMessage({ text: 'Please close my account A-17' });
  const message = made.messages.at(-1);
  const part = tool(message);
  assert.equal(part.state, 'approval-requested');
  assert.equal(part.input.input.id, 'A-17');
  const shown = message.parts.find((part) => part.type === 'data-approval');
  assert.equal(shown.data.id, part.approval.id);
  assert.equal(shown.data.text, '`Our accounts: Close an account (sandbox)`\n- `id: "A-17"`');
  assert.match(text(message), /please confirm/);
  return part;
}

test('an approved call is made once, and the same message goes on with its output', async () => {
  const already = await closings();
  const { made, errors, ended } = chat('approve');
  const part = await asked(made);
  assert.equal(await closings(), already);
  await made.addToolApprovalResponse({ id: part.approval.id, approved: true });
  await ended;
  assert.deepEqual(errors, []);
  assert.equal(made.messages.length, 2, 'it is the same message');
  const message = made.messages.at(-1);
  assert.equal(tool(message).state, 'output-available');
  assert.deepEqual(tool(message).output, { state: 'closed for good' });
  assert.match(text(message), /closed for good/);
  assert.equal(await closings(), already + 1);

  // The conversation goes on; nothing is asked or done twice.
  await made.sendMessage({ text: 'Thank you!' });
  assert.deepEqual(errors, []);
  assert.equal(made.messages.length, 4);
  assert.equal(await closings(), already + 1);
});

test('a denied call is not made', async () => {
  const already = await closings();
  const { made, errors, ended } = chat('deny');
  const part = await asked(made);
  await made.addToolApprovalResponse({ id: part.approval.id, approved: false, reason: 'changed my mind' });
  await ended;
  assert.deepEqual(errors, []);
  assert.equal(made.messages.length, 2);
  const message = made.messages.at(-1);
  assert.equal(tool(message).state, 'output-denied');
  assert.equal(tool(message).approval.reason, 'changed my mind');
  assert.match(text(message), /left it as it is/);
  assert.equal(await closings(), already);
});

test('a plain yes is an approval, too', async () => {
  const already = await closings();
  const { made, errors } = chat('yes');
  await asked(made);
  await made.sendMessage({ text: 'Yes!' });
  assert.deepEqual(errors, []);
  const message = made.messages.at(-1);
  assert.equal(tool(message).state, 'output-available');
  assert.match(text(message), /closed for good/);
  const sources = message.parts.filter((part) => part.type.startsWith('source-')).map((part) => part.title);
  assert.deepEqual(sources, ['Our accounts: Close an account (sandbox)'], 'nothing but what was done is cited');
  assert.match(text(message), /^From Our accounts: Close an account \(sandbox\) \[1\]:/);
  assert.equal(await closings(), already + 1);
});
