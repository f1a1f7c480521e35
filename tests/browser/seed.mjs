// Puts hostile strings wherever the API takes a text. A string that a field's rules refuse is left out there.
import assert from 'node:assert/strict';

/** Requests that are sent at the same time. */
const AT_ONCE = 8;

function client() {
  const { RESLY_URL: url, RESLY_ADMIN_KEY: key } = process.env;
  if (!url || !key) throw new Error('set RESLY_URL and RESLY_ADMIN_KEY to a running server');
  /** Whether it was taken, and its answer. What isn't a refusal of the text fails. */
  return async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers }, body: JSON.stringify(body),
    });
    const text = await response.text();
    const refused = [400, 409, 413, 422].includes(response.status);
    assert.ok(response.ok || refused, `${method} ${path}: ${response.status}: ${text.slice(0, 500)}\n${JSON.stringify(body ?? null).slice(0, 500)}`);
    return { taken: response.ok, answer: text && /json/.test(response.headers.get('content-type')) ? JSON.parse(text) : text };
  };
}

/** Sends each item, and returns the answers of those that were taken. */
async function each(items, send) {
  const queue = [...items.entries()];
  const answers = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [at, item] = next;
      const { taken, answer } = await send(item, at);
      if (taken) answers.push(answer);
    }
  }));
  return answers;
}

const chunks = (list, size) => Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));

/**
 * Joins strings to texts of at most so many bytes, so that a list needs fewer rows. What would refuse a text as a whole stands
 * alone, as does what only attacks at a text's beginning.
 */
function pack(strings, most) {
  const packs = [];
  let open = [];
  for (const text of strings) {
    const alone = !text.includes('<') || /\p{Cc}/u.test(text) || Buffer.byteLength(text) > most;
    if (alone) packs.push([text]);
    else if (Buffer.byteLength([...open, text].join(' ')) > most) {
      packs.push(open);
      open = [text];
    } else open.push(text);
  }
  return [...packs, open].filter((pack) => pack.length).map((pack) => ({ text: pack.join(' '), count: pack.length }));
}

const sum = (packs) => packs.reduce((all, { count }) => all + count, 0);

/** Sends rows together, and in halves when a text is refused. Returns how many were taken. */
async function rows(send, all, count = (some) => some.length) {
  if (!all.length) return 0;
  const { taken } = await send(all);
  if (taken || all.length === 1) return taken ? count(all) : 0;
  const half = Math.ceil(all.length / 2);
  return await rows(send, all.slice(0, half), count) + await rows(send, all.slice(half), count);
}

/** A declarative connector that says and answers the strings. Its service is the fixtures'. */
function definition(id, name, strings) {
  const action = (text, at) => ({
    id: `action_${at}`, title: text.slice(0, 80), description: text, side_effect: 'read',
    input: { type: 'object', properties: { id: { type: 'string', title: text, description: text, default: text } } },
    request: { method: 'GET', url: 'https://shop.example.com/products', query: { id: '{{ input.id }}' } }, response: { mapping: '.' },
  });
  const products = strings.map((text) => ({ title: text, url: text, image: text, description: text, [text]: text }));
  return {
    id, name, version: '1.0.0', author: name, description: name, hosts: ['shop.example.com'], auth: { type: 'none' },
    settings: { type: 'object', properties: { note: { type: 'string', title: strings[0], description: strings[0], default: strings[0] } } },
    actions: strings.map(action), fixtures: [{ match: { method: 'GET' }, response: { status: 200, json: { products } } }],
  };
}

/** The same with what the manifest's rules refuse left out: control characters, blank and long texts. */
const plain = (strings) => strings.filter((text) => text.trim() && [...text].length <= 80 && !/[\p{Cc}]/u.test(text));

async function connectors(api, strings) {
  const good = plain(strings);
  const made = await each(chunks(good, 20), async (part, at) => {
    const id = `hostile-${at}`;
    const whole = definition(id, part[0], part);
    let { taken, answer } = await api('POST', '/api/admin/connectors', whole);
    if (!taken) {
      // What some members refuse beside a text itself isn't what this is about.
      const { author, description, ...lean } = whole;
      ({ taken, answer } = await api('POST', '/api/admin/connectors', lean));
    }
    return { taken, answer: taken ? { id, part } : answer };
  });
  assert.ok(made.length > 0, 'no definition was taken');
  const names = pack(good, 100);
  const connections = await each(names, async ({ text, count }, at) => {
    const connection = { connector: made[at % made.length].id, name: text, environment: 'sandbox', settings: { note: text } };
    const { taken, answer } = await api('POST', '/api/admin/connections', connection);
    return { taken, answer: { ...answer, count } };
  });
  const called = await each(connections.slice(0, 3), async ({ id, name }) => {
    await api('POST', `/api/admin/connections/${id}/enable`, {});
    return api('POST', `/api/admin/connections/${id}/actions/action_0`, { id: name });
  });
  return { connectors: made.length * 20, connections: sum(connections), calls: called.length };
}

async function conversations(api, strings) {
  const answers = await each(chunks(strings, 25), (part, at) => api('POST', '/api/chat?format=json', {
    visitorId: part.find((text) => text.length < 50), id: `hostile-${at}`,
    messages: [
      ...part.map((text, n) => ({ role: n % 2 ? 'assistant' : 'user', content: text })),
      { role: 'user', content: `${part[0]} action_0 product` },
    ],
  }));
  return answers.length * 25;
}

/** Puts the strings everywhere. Returns how many each kind of field has taken. */
export async function seed(strings, urls) {
  const api = client();
  const insert = (table) => (part) => api('POST', `/rest/v1/${table}`, part, { prefer: 'return=minimal' });
  const taken = {};
  taken.keys = (await each(strings, (name) => api('POST', '/api/admin/keys', { name, scopes: ['chat'] }))).length;
  taken.workflows = sum(await each(pack(strings, 200), async ({ text, count }, at) => {
    const part = strings.slice(at * 3, at * 3 + 5);
    const workflow = { name: text, triggers: part.length ? part : [text], instructions: part.join('\n') || text };
    const { taken: good } = await api('POST', '/api/admin/workflows', workflow);
    return { taken: good, answer: { count } };
  }));
  const tickets = strings.map((text, at) => ({ subject: text, body: strings[(at + 1) % strings.length] }));
  taken.tickets = await rows(insert('tickets'), tickets);
  taken.visitors = await rows(insert('visitors'), strings.map((external_id) => ({ external_id })));
  taken.sources = 0;
  for (const [at, part] of chunks(pack(strings, 280), 20).entries()) {
    const content_type = at % 2 ? 'text/markdown' : 'text/plain';
    const body = strings.slice(at * 40, at * 40 + 40).filter((one) => !one.includes('\0')).join('\n\n');
    const all = part.map(({ text: title, count }) => ({ title, text: `# ${title}\n\n${body}`, content_type, count }));
    taken.sources += await rows((some) => insert('knowledge_sources')(some.map(({ count, ...row }) => row)), all, sum);
  }
  taken.links = (await each(urls, (url, at) => api('POST', '/api/admin/sources', { title: `link ${at}`, text: url, url }))).length;
  Object.assign(taken, await connectors(api, strings));
  taken.conversations = await conversations(api, strings);
  const { answer: { conversations: listed } } = await api('GET', '/api/admin/conversations?limit=10');
  const of = (at) => `/api/admin/conversations/${listed[at % listed.length].id}`;
  await each(strings, (note, at) => api('POST', `${of(at)}/notes`, { note }));
  await each(strings.slice(0, 100), (tag, at) => api('POST', `${of(at)}/tags`, { add: [tag] }));
  await each(strings.slice(0, 100), (body, at) => api('POST', '/api/admin/canned-replies', { name: `reply-${at}`, body }));
  const synonyms = { sets: chunks(strings.filter((text) => text.length < 90), 20).slice(0, 20) };
  await api('PUT', '/api/admin/synonyms', synonyms);
  await each(strings.slice(0, 20), (name, at) => api('POST', '/api/admin/publishers', {
    name, public_key: Buffer.alloc(32, at + 1).toString('base64'),
  }));
  await api('PUT', '/api/admin/webhook', { url: `https://hooks.example.com/?x=${encodeURIComponent('"><script>__pwned=1</script>')}` });
  await each(strings.slice(0, 40), (text) => api('POST', '/api/admin/invitations', { email: `${text}@shop.example`, role: 'viewer' }));
  const { answer: { organizations: [{ id }] } } = await api('GET', '/api/operator/organizations');
  await api('PATCH', `/api/operator/organizations/${id}`, { name: `"><img src=x onerror=__pwned=1>${'W'.repeat(60)}` });
  return taken;
}
