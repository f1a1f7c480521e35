// Reads, as the documentation of supabase-js writes them.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { api, client, data } from './client.mjs';

let db;
before(async () => {
  db = await client('data:read', 'data:write');
  data(await db.from('tickets').insert([
    { subject: 'R Refund', body: 'Money back, please', status: 'open' },
    { subject: 'R Return', body: 'How do I return it?', status: 'open' },
    { subject: 'R Closed, "quoted"', body: 'Done', status: 'closed' },
  ]));
  await api('/api/chat?format=json', { messages: [{ role: 'user', content: 'Where is my order #1001?' }], visitorId: 'r-anna' });
});

const tickets = (columns = 'subject') => db.from('tickets').select(columns).like('subject', 'R %').order('subject');
const subjects = (answer) => data(answer).map((row) => row.subject);

test('filters', async () => {
  const [closed, refund, back] = ['R Closed, "quoted"', 'R Refund', 'R Return'];
  assert.deepEqual(subjects(await tickets().eq('status', 'open')), [refund, back]);
  assert.deepEqual(subjects(await tickets().neq('status', 'open')), [closed]);
  assert.deepEqual(subjects(await tickets().in('body', ['Money back, please', 'Done'])), [closed, refund]);
  assert.deepEqual(subjects(await tickets().eq('subject', closed)), [closed]);
  assert.deepEqual(subjects(await tickets().ilike('subject', '%REF%')), [refund]);
  assert.deepEqual(subjects(await tickets().likeAnyOf('subject', ['%fund', '%turn'])), [refund, back]);
  assert.deepEqual(subjects(await tickets().is('conversation_id', null)), [closed, refund, back]);
  assert.deepEqual(subjects(await tickets().not('status', 'in', '(closed)')), [refund, back]);
  assert.deepEqual(subjects(await tickets().or('status.eq.closed,and(subject.ilike.*turn*,body.like.How*)')), [closed, back]);
  assert.deepEqual(subjects(await tickets().textSearch('body', 'returning', { type: 'websearch' })), [back]);
  assert.deepEqual(subjects(await tickets().match({ status: 'closed' })), [closed]);
  assert.deepEqual(subjects(await tickets().filter('subject', 'match', 'Re(fund|x)')), [refund]);
  assert.deepEqual(subjects(await tickets().gte('created_at', '2020-01-01').lt('created_at', '2020-01-02')), []);
});

test('a list of a thousand ids', async () => {
  const { id } = data(await tickets('id').limit(1).single());
  const others = Array.from({ length: 999 }, () => crypto.randomUUID());
  assert.deepEqual(data(await db.from('tickets').select('id').in('id', [...others, id])), [{ id }]);
});

test('ranges and counts', async () => {
  const page = await db.from('tickets').select('*', { count: 'exact' }).like('subject', 'R %').order('subject').range(1, 1);
  assert.deepEqual([page.status, page.count, page.data.length, page.data[0].subject], [206, 3, 1, 'R Refund']);
  const head = await db.from('tickets').select('*', { count: 'exact', head: true }).like('subject', 'R %');
  assert.deepEqual([head.count, head.data], [3, null]);
  for (const count of ['planned', 'estimated']) {
    assert.equal((await db.from('tickets').select('id', { count }).like('subject', 'R %')).count, 3);
  }
  assert.equal(data(await tickets().limit(2)).length, 2);
});

test('one row, or none', async () => {
  assert.equal(data(await tickets('subject').eq('status', 'closed').single()).subject, 'R Closed, "quoted"');
  const many = await tickets().single();
  assert.deepEqual([many.status, many.error.code], [406, 'PGRST116']);
  assert.equal(data(await tickets().eq('subject', 'R nothing').maybeSingle()), null);
  assert.equal((await tickets().maybeSingle()).error.code, 'PGRST116');
});

test('embedded relations', async () => {
  const visitor = data(await db.from('visitors')
    .select('external_id, conversations(id, messages(role, content))')
    .eq('external_id', 'r-anna')
    .order('position', { referencedTable: 'conversations.messages' })
    .limit(1, { referencedTable: 'conversations.messages' })
    .single());
  assert.deepEqual(visitor.conversations[0].messages, [{ role: 'user', content: 'Where is my order #1001?' }]);
  const inner = data(await db.from('messages')
    .select('role, conversations!inner(visitors!inner(external_id))')
    .eq('conversations.visitors.external_id', 'r-anna')
    .order('position'));
  assert.deepEqual(inner.map((row) => row.role), ['user', 'assistant']);
  const spread = data(await db.from('conversations').select('...visitors!inner(external_id), messages(count)')
    .eq('visitors.external_id', 'r-anna'));
  assert.deepEqual(spread, [{ external_id: 'r-anna', messages: [{ count: 2 }] }]);
});

test('aggregates', async () => {
  const groups = data(await db.from('tickets').select('status, n:count()').like('subject', 'R %').order('status'));
  assert.deepEqual(groups, [{ status: 'closed', n: 1 }, { status: 'open', n: 2 }]);
  const used = data(await db.from('usage').select('meter, used.sum()').eq('meter', 'messages').single());
  assert.ok(used.sum >= 1);
});

test('CSV, and what is refused', async () => {
  assert.equal(data(await tickets('subject,status').eq('status', 'closed').csv()), 'subject,status\n"R Closed, ""quoted""",closed');
  for (const [answer, code] of [
    [await db.from('nothing').select(), 'PGRST205'],
    [await db.from('tickets').select('nothing'), '42703'],
    [await db.from('tickets').select('*, api_keys(*)'), 'PGRST200'],
    [await db.from('tickets').select().eq('id', 'x'), '22P02'],
    [await db.from('tickets').select().explain(), 'PGRST107'],
    [await db.schema('auth').from('tickets').select(), 'PGRST106'],
    [await db.rpc('anything'), 'PGRST125'],
  ]) {
    assert.equal(answer.error?.code, code, JSON.stringify(answer));
  }
});
