// A stop in the AI SDK stops the model, with the `fetch` that the handbook shows: a host of our own, whose model never ends.
// The Rust suite sets RESLY_BINARY.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai';

const binary = process.env.RESLY_BINARY;
if (!binary) throw new Error('set RESLY_BINARY to the program');

/** As the handbook shows it. */
function stopping(baseUrl, headers) {
  return async (input, init) => {
    if (init?.body) {
      const { id } = JSON.parse(init.body);
      init.signal?.addEventListener('abort', () => {
        void fetch(`${baseUrl}/api/chat/${encodeURIComponent(id)}/stream`, { method: 'DELETE', headers });
      });
    }
    return fetch(input, init);
  };
}

// A model that says one word, and then nothing until it is left.
let left;
const model = createServer((request, response) => {
  request.resume();
  left = once(response, 'close');
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'Once' }, finish_reason: null }] })}\n\n`);
});

let host, url, key;
const data = mkdtempSync(join(tmpdir(), 'resly-stop-'));

before(async () => {
  model.listen(0, '127.0.0.1');
  await once(model, 'listening');
  // The suite's own variables are no settings of a host.
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RESLY_')));
  const env = { ...inherited, RESLY_MODEL_URL: `http://127.0.0.1:${model.address().port}/v1`, RESLY_MODEL: 'scripted' };
  host = spawn(binary, ['demo', '--listen', '127.0.0.1:0', '--data', data], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(host, 'exit').then(([code]) => { throw new Error(`the host ended with ${code}`); });
  const [line] = await Promise.race([once(createInterface({ input: host.stdout }), 'line'), ended]);
  ended.catch(() => {});
  ({ url, api_key: key } = JSON.parse(line));
});

after(() => {
  host?.kill('SIGKILL');
  model.closeAllConnections();
  model.close();
  rmSync(data, { recursive: true, force: true });
});

test('a stop in the SDK stops the model, and what was written is kept', async () => {
  const headers = { Authorization: `Bearer ${key}` };
  const chat = new Chat({
    id: 'to stop',
    transport: new DefaultChatTransport({
      api: `${url}/api/chat?format=ui`, headers, fetch: stopping(url, headers),
    }),
  });
  const begun = new Promise((resolve) => {
    const look = chat['~registerMessagesCallback'](() => {
      if (chat.messages.at(-1)?.parts.some((part) => part.type === 'text' && part.text === 'Once')) { look(); resolve(); }
    });
  });
  const sent = chat.sendMessage({ text: 'Tell me a story' });
  await begun;
  const { messageId } = chat.messages.at(-1).metadata;
  await chat.stop();
  await sent;
  await left;

  // The answer is stored once its stream has ended: a reader who comes back is told nothing more is under way.
  const stream = await fetch(`${url}/api/chat/${encodeURIComponent('to stop')}/stream?format=json`, { headers });
  await stream.arrayBuffer();
  const stored = await (await fetch(`${url}/api/messages/${messageId}`, { headers })).json();
  assert.equal(stored.status, 'cancelled');
  assert.equal(stored.content, 'Once');
});
