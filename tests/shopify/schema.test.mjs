// Every query of the Shopify connector, and every answer in its fixtures, against the schema that Shopify publishes for
// its Admin GraphQL API, 2026-10 (npm's @shopify/dev-mcp carries it).
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { buildClientSchema, execute, parse, validate } from 'graphql';

const here = new URL('.', import.meta.url);
const plugin = new URL('../../plugins/shopify/', here);
const packed = new URL('node_modules/@shopify/dev-mcp/dist/data/admin_2026-10.json.gz', here);
const introspection = JSON.parse(gunzipSync(readFileSync(packed)).toString());
const schema = buildClientSchema(introspection.data ?? introspection);

const queries = readdirSync(new URL('queries/', plugin)).map((name) => {
  const source = readFileSync(new URL(`queries/${name}`, plugin), 'utf8');
  return { name, document: parse(source) };
});

test('the schema is that of the version the connector asks', () => {
  const source = readFileSync(new URL('src/api.rs', plugin), 'utf8');
  assert.match(source, /const VERSION: &str = "2026-10";/);
});

for (const { name, document } of queries) {
  test(`${name} is valid`, () => {
    assert.deepEqual(validate(schema, document).map(String), []);
  });
}

/** The manifest's fixtures: the operation that each answers, whether it is asked for by customer, and the answer. */
function fixtures() {
  const manifest = readFileSync(new URL('connector.toml', plugin), 'utf8');
  const blocks = manifest.split('[[fixtures]]').slice(1);
  return blocks.map((block) => ({
    operation: block.match(/operationName = "(\w+)"/)[1],
    withCustomer: block.includes('customer_id:'),
    answer: JSON.parse(block.match(/text = '''([^]*?)'''/)[1]),
  }));
}

test('every fixture answers its query completely, in the types of the schema', async () => {
  const known = fixtures();
  assert.ok(known.length > 10);
  for (const { operation, withCustomer, answer: { data } } of known) {
    const query = queries.find(({ document }) => document.definitions[0].name.value === operation);
    assert.ok(query, `there is a query ${operation}`);
    const variableValues = { query: 'x', first: 5, items: 5, shipments: 5, withCustomer };
    const result = await execute({ schema, document: query.document, rootValue: data, variableValues });
    assert.deepEqual(result.errors ?? [], [], JSON.stringify(data));
    assert.deepEqual(JSON.parse(JSON.stringify(result.data)), data, 'nothing is missing and nothing is too much');
  }
});
