// A client of the API in TypeScript whose types are made of the host's own OpenAPI document (`out/api.d.ts`): what the document
// tells wrong doesn't compile, and what it leaves out fails here. The Rust suite sets RESLY_URL, RESLY_KEY and
// RESLY_ADMIN_KEY.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import createClient from 'openapi-fetch';

import type { components, paths } from './out/api.js';

type Schemas = components['schemas'];

const { RESLY_URL: baseUrl, RESLY_KEY: key, RESLY_ADMIN_KEY: adminKey } = process.env;
if (!baseUrl || !key || !adminKey) throw new Error('set RESLY_URL, RESLY_KEY and RESLY_ADMIN_KEY to a running server');

const client = (bearer: string) =>
  createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${bearer}` } });
const chat = client(key);
const admin = client(adminKey);

/** What was answered, unless that is a problem. */
async function ok<T>(answer: Promise<{ data?: T; error?: Schemas['Problem'] }>): Promise<T> {
  const { data, error } = await answer;
  assert.equal(error, undefined, error && `${error.type}: ${error.detail}`);
  assert.ok(data !== undefined);
  return data;
}

const input = {
  type: 'object',
  properties: { id: { type: 'string', description: 'The locker, such as L-17' } },
  required: ['id'],
};
const action = (id: string, side_effect: Schemas['SideEffect'], title: string) => ({
  id, title, description: `${title}.`, side_effect, input,
  request: {
    method: side_effect === 'write' ? 'POST' : 'GET',
    url: `https://lockers.example.com/{{ input.id }}/${id}`,
  },
  response: { mapping: '.' },
});
const definition = {
  id: 'lockers', name: 'Lockers', version: '1.0.0', hosts: ['lockers.example.com'],
  auth: { type: 'none' },
  actions: [action('get', 'read', 'Look up a locker'), action('close', 'write', 'Close a locker')],
  test: { action: 'get', input: { id: 'L-1' } },
  fixtures: [{ match: {}, response: { status: 200, json: { state: 'closed for good' } } }],
};

let connection: Schemas['Connection'];

test('an admin adds a connector, installs it, tests it and enables it', async () => {
  const checked: Schemas['CheckResult'] =
    await ok(admin.POST('/api/admin/connectors/check', { body: definition }));
  assert.deepEqual(checked, { ok: true, errors: [] });
  const connector = await ok(admin.POST('/api/admin/connectors', { body: definition }));
  assert.equal(connector.origin satisfies Schemas['Origin'], 'declarative');
  assert.deepEqual(connector.actions.map((action) => action.side_effect), ['read', 'write']);
  assert.equal(connector.versions[0]?.version, '1.0.0');

  connection = await ok(admin.POST('/api/admin/connections', {
    body: { connector: connector.id, name: 'Our lockers', environment: 'sandbox' },
  }));
  assert.equal(connection.status, 'installed');
  const path = { id: connection.id };
  const tested = await ok(admin.POST('/api/admin/connections/{id}/test', { params: { path } }));
  assert.ok(tested.ok, tested.message ?? '');
  const called = await ok(admin.POST('/api/admin/connections/{id}/actions/{action}', {
    params: { path: { ...path, action: 'get' } }, body: { id: 'L-1' },
  }));
  assert.deepEqual(called.output, { state: 'closed for good' });
  const dryRun = await ok(admin.POST('/api/admin/connections/{id}/actions/{action}/dry-run', {
    params: { path: { ...path, action: 'get' } }, body: { id: 'L-1' },
  }));
  assert.equal(dryRun.request?.method, 'GET');

  const enabled = await ok(admin.POST('/api/admin/connections/{id}/enable', { params: { path } }));
  assert.equal(enabled.status, 'enabled');
  const rule = await ok(admin.POST('/api/admin/workflows', {
    body: { name: 'closing', triggers: ['close my locker'], connection: connection.id, action: 'close' },
  }));
  assert.ok(rule.enabled);
  const { connections } = await ok(admin.GET('/api/admin/connections'));
  assert.ok(connections.some(({ id, health }) => id === connection.id && health === 'unknown'));
  const health = await ok(admin.GET('/api/admin/connections/{id}/health', { params: { path } }));
  assert.equal(health.breaker.state, 'closed');
});

test('a customer asks, confirms a write, and an admin sees what came of it', async () => {
  const asked = await ok(chat.POST('/api/chat', {
    params: { query: { format: 'json' } },
    body: { messages: [{ role: 'user', content: 'Please close my locker L-17' }] },
  }));
  // The document has three formats of an answer; this client asked for one.
  assert.ok(typeof asked === 'object');
  assert.equal(asked.finishReason, 'tool-calls');
  const [request] = asked.approvals ?? [];
  assert.ok(request, asked.content);
  assert.ok(Date.parse(request.expiresAt) > Date.now());

  const path = { id: request.id };
  const pending = await ok(chat.GET('/api/chat/approvals/{id}', { params: { path } }));
  assert.deepEqual([pending.state, pending.conversationId], ['pending', asked.conversationId]);
  const done = await ok(chat.POST('/api/chat/approvals/{id}', { params: { path }, body: { approved: true } }));
  assert.equal(done.state, 'executed');
  assert.ok(done.outcome && 'output' in done.outcome);
  assert.deepEqual(done.outcome.output, { state: 'closed for good' });

  const { approvals } = await ok(admin.GET('/api/admin/approvals', {
    params: { query: { connection: connection.id, limit: 1 } },
  }));
  const [listed] = approvals;
  assert.ok(listed);
  // The same names, each in the casing of its surface.
  assert.deepEqual(
    [listed.id, listed.conversation_id, listed.message_id, listed.created_at, listed.decided_at],
    [done.id, done.conversationId, done.messageId, done.createdAt, done.decidedAt],
  );
  const { logs, today } = await ok(admin.GET('/api/admin/logs', {
    params: { query: { connection: connection.id, caller: 'chat' } },
  }));
  assert.deepEqual(logs.map(({ action, status }) => [action, status]), [['close', 'ok']]);
  assert.ok(today.sandbox.bytes > 0);
  const usage = await ok(admin.GET('/api/admin/usage'));
  assert.ok((usage.meters.messages?.used ?? 0) > 0);

  const message = await ok(chat.GET('/api/messages/{id}', { params: { path: { id: asked.id } } }));
  assert.equal(message.supersededAt, null);
  const conversation = await ok(admin.GET('/api/admin/conversations/{id}', {
    params: { path: { id: asked.conversationId } },
  }));
  assert.deepEqual(conversation.messages.map(({ role }) => role), ['user', 'assistant']);
});

test('knowledge is added, found and cited', async () => {
  const source = await ok(admin.POST('/api/admin/sources', {
    body: { title: 'Warranty', text: 'The warranty of a Zephyrlamp lasts eleven years.', url: 'https://a.example/w' },
  }));
  assert.ok(source.chunks > 0);
  const { results } = await ok(chat.POST('/api/search', { body: { query: 'warranty of a Zephyrlamp' } }));
  assert.ok(results.some(({ sourceId }) => sourceId === source.id));
  const path = { id: source.id };
  const read = await ok(admin.GET('/api/admin/sources/{id}', { params: { path } }));
  assert.ok(read.status === 'ready' && read.kind === 'text' && read.failure === null && read.text.includes('eleven'));
  const put = await ok(admin.PUT('/api/admin/sources', {
    body: { title: read.title, text: read.text, url: 'https://a.example/w' },
  }));
  assert.equal(put.id, source.id);
  const answer = await ok(chat.POST('/api/chat', {
    params: { query: { format: 'json' } },
    body: { messages: [{ role: 'user', content: 'How long is the warranty of a Zephyrlamp?' }] },
  }));
  assert.ok(typeof answer === 'object');
  assert.ok(answer.citations.some(({ sourceId, n }) => sourceId === source.id && n > 0), answer.content);
});

test('a mistake is a problem with the members that the document tells', async () => {
  const { error, response } = await admin.POST('/api/admin/keys', { body: { name: '', scopes: [] } });
  assert.equal(response.status, 422);
  assert.deepEqual(error?.errors?.map(({ path }) => path), ['name', 'scopes']);
  const made = await ok(admin.POST('/api/admin/keys', { body: { name: 'typed', scopes: ['search'] } }));
  const path = { id: made.id };
  const changed = await ok(admin.PATCH('/api/admin/keys/{id}', {
    params: { path }, body: { rate_limits: { key: { requests_per_minute: 1, streams: null } } },
  }));
  assert.deepEqual(changed.rate_limits.key, { requests_per_minute: 1, streams: null });
  const limited = client(made.key);
  await ok(limited.POST('/api/search', { body: { query: 'lamps' } }));
  const second = await limited.POST('/api/search', { body: { query: 'lamps' } });
  assert.deepEqual([second.response.status, second.error?.rate?.subject, second.error?.retryable], [429, 'key', true]);
  // @ts-expect-error A scope that there isn't is found by the compiler, and by the host.
  const wrong = await admin.POST('/api/admin/keys', { body: { name: 'typed', scopes: ['everything'] } });
  assert.equal(wrong.response.status, 422);
  assert.equal((await admin.DELETE('/api/admin/keys/{id}', { params: { path } })).response.status, 204);
});
