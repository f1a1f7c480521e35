// Writes, as the documentation of supabase-js writes them.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { api, client, data } from './client.mjs';

let db;
before(async () => {
  db = await client('data:write');
});

test('insert', async () => {
  const made = data(await db.from('tickets').insert({ subject: 'W one', body: 'b' }).select().single());
  assert.deepEqual([made.status, made.conversation_id], ['open', null]);
  const bare = await db.from('tickets').insert([{ subject: 'W two', body: 'b' }, { subject: 'W three', body: 'b', status: 'pending' }], { defaultToNull: false });
  assert.deepEqual([bare.status, bare.data, bare.error], [201, null, null]);
  const statuses = data(await db.from('tickets').select('status').in('subject', ['W two', 'W three']).order('subject'));
  assert.deepEqual(statuses.map((row) => row.status), ['pending', 'open']);
  const counted = await db.from('tickets').insert([{ subject: 'W four', body: 'b' }], { count: 'exact' });
  assert.equal(counted.count, 1);
});

test('upsert', async () => {
  const visitors = db.from('visitors');
  data(await visitors.insert({ external_id: 'w-anna' }));
  const again = await visitors.insert({ external_id: 'w-anna' });
  assert.deepEqual([again.status, again.error.code], [409, '23505']);
  const merged = data(await db.from('visitors').upsert({ external_id: 'w-anna' }, { onConflict: 'external_id' }).select('external_id'));
  assert.deepEqual(merged, [{ external_id: 'w-anna' }]);
  const ignored = data(await db.from('visitors')
    .upsert([{ external_id: 'w-anna' }, { external_id: 'w-bob' }], { onConflict: 'external_id', ignoreDuplicates: true })
    .select('external_id'));
  assert.deepEqual(ignored, [{ external_id: 'w-bob' }]);
});

test('update and delete', async () => {
  data(await db.from('tickets').insert([{ subject: 'W x', body: 'b' }, { subject: 'W y', body: 'b' }]));
  const updated = data(await db.from('tickets').update({ status: 'resolved' }).in('subject', ['W x', 'W y']).select('subject').order('subject'));
  assert.deepEqual(updated, [{ subject: 'W x' }, { subject: 'W y' }]);
  const capped = await db.from('tickets').update({ status: 'closed' }).eq('status', 'resolved').maxAffected(1);
  assert.equal(capped.error.code, 'PGRST124');
  const removed = await db.from('tickets').delete({ count: 'exact' }).eq('status', 'resolved');
  assert.deepEqual([removed.status, removed.count], [204, 2]);
  assert.equal((await db.from('tickets').delete()).error.code, '21000');
  assert.equal((await db.from('messages').delete().eq('role', 'user')).error.code, '42501');
  assert.equal((await db.from('tickets').insert({ subject: 's', body: 'b', organization_id: 'x' })).error.code, '42501');
});

test('tags of a conversation, and a source of knowledge', async () => {
  const { conversationId } = await api('/api/chat?format=json', { messages: [{ role: 'user', content: 'Hello' }] });
  const tagged = data(await db.from('conversations').update({ tags: ['vip', 'a b'] }).eq('id', conversationId).select('tags').single());
  assert.deepEqual(tagged.tags, ['vip', 'a b']);
  const found = data(await db.from('conversations').select('id').contains('tags', ['vip']).overlaps('tags', ['a b', 'c']));
  assert.deepEqual(found, [{ id: conversationId }]);
  const source = data(await db.from('knowledge_sources').insert({ title: 'Axolotls', text: 'An axolotl lives in water.' }).select().single());
  assert.deepEqual([source.status, source.chunks], ['ready', 1]);
  data(await db.from('knowledge_sources').delete().eq('id', source.id));
});
