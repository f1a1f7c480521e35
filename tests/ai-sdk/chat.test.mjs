// The AI SDK against a running server, in both its protocols. The Rust suite starts the server and sets:
//   RESLY_URL, RESLY_KEY: where to ask, and a secret key of an organization whose model is `builtin`
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport, TextStreamChatTransport } from 'ai';

const url = process.env.RESLY_URL;
const key = process.env.RESLY_KEY;
if (!url || !key) throw new Error('set RESLY_URL and RESLY_KEY to a running server');

const headers = { Authorization: `Bearer ${key}` };

/** A chat as an app makes one; what goes wrong in the SDK's own parsing lands in `errors`. */
function chat(transport, id) {
  const errors = [];
  const ends = [];
  const made = new Chat({
    id, transport, onError: (error) => errors.push(error), onFinish: ({ finishReason }) => ends.push(finishReason),
  });
  return { made, errors, ends };
}

const text = (message) => message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('');

test('the UI message stream: text, sources, tools, metadata and a clean end', async () => {
  const transport = new DefaultChatTransport({ api: `${url}/api/chat?format=ui`, headers });
  const { made, errors, ends } = chat(transport, `ui-${Date.now()}`);
  await made.sendMessage({ text: 'Where is my order #1001?' });
  assert.deepEqual(errors, []);
  assert.equal(made.status, 'ready');
  const answer = made.messages.at(-1);
  assert.equal(answer.role, 'assistant');
  assert.match(text(answer), /1001/);
  const tool = answer.parts.find((part) => part.type.startsWith('tool-') || part.type === 'dynamic-tool');
  assert.ok(tool, 'the call of the connector is a part of the message');
  assert.equal(tool.state, 'output-available');
  assert.ok(answer.metadata?.conversationId, 'the conversation is in the metadata');
  assert.deepEqual(ends, ['stop'], 'the SDK is told why the answer ended');
  assert.ok(answer.parts.every((part) => part.type !== 'text' || !part.text.startsWith('\n')));

  await made.sendMessage({ text: 'How do I rotate an API key?' });
  assert.deepEqual(errors, []);
  const second = made.messages.at(-1);
  assert.equal(second.metadata.conversationId, answer.metadata.conversationId, 'the same chat is one conversation');
  assert.ok(second.parts.some((part) => part.type.startsWith('source-')), 'sources come as parts');
});

test('the Accept header chooses the UI message stream too', async () => {
  const transport = new DefaultChatTransport({
    api: `${url}/api/chat`,
    headers: { ...headers, Accept: 'text/event-stream' },
  });
  const { made, errors } = chat(transport, `accept-${Date.now()}`);
  await made.sendMessage({ text: 'How do I rotate an API key?' });
  assert.deepEqual(errors, []);
  assert.ok(text(made.messages.at(-1)).length > 0);
});

test('the text stream', async () => {
  const transport = new TextStreamChatTransport({ api: `${url}/api/chat`, headers });
  const { made, errors } = chat(transport, `text-${Date.now()}`);
  await made.sendMessage({ text: 'How do I rotate an API key?' });
  assert.deepEqual(errors, []);
  assert.equal(made.status, 'ready');
  assert.ok(text(made.messages.at(-1)).length > 0);
});

test('resuming when nothing is in progress is quiet', async () => {
  const transport = new DefaultChatTransport({ api: `${url}/api/chat`, headers });
  const { made, errors } = chat(transport, `resume-${Date.now()}`);
  await made.resumeStream();
  assert.deepEqual(errors, []);
  assert.equal(made.messages.length, 0);
});

test('an error of the server is an error of the chat', async () => {
  const transport = new DefaultChatTransport({
    api: `${url}/api/chat?format=ui`,
    headers: { Authorization: 'Bearer rsk_live_nobody' },
  });
  const { made, errors } = chat(transport, `bad-${Date.now()}`);
  await made.sendMessage({ text: 'Hello' });
  assert.equal(made.status, 'error');
  assert.equal(errors.length, 1);
  assert.match(errors[0].message, /401|key/i);
});
