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
  assert.match(source, /admin\/api\/2026-10\/graphql\.json/);
});

for (const { name, document } of queries) {
  test(`${name} is valid`, () => {
    assert.deepEqual(validate(schema, document).map(String), []);
  });
}

/** The JSON texts of the manifest's fixtures, which TOML keeps as literal strings. */
function fixtures() {
  const manifest = readFileSync(new URL('connector.toml', plugin), 'utf8');
  return [...manifest.matchAll(/text = '''(.*)'''/g)].map(([, text]) => JSON.parse(text));
}

test('every fixture answers its query completely, in the types of the schema', async () => {
  const answers = fixtures();
  assert.ok(answers.length > 10);
  for (const { data } of answers) {
    const [root] = Object.keys(data);
    const query = queries.find(({ document }) =>
      document.definitions[0].selectionSet.selections.some((field) => field.name.value === root));
    assert.ok(query, `a query asks for ${root}`);
    const variableValues = { query: 'x', first: 5 };
    const result = await execute({ schema, document: query.document, rootValue: data, variableValues });
    assert.deepEqual(result.errors ?? [], [], JSON.stringify(data));
    assert.deepEqual(JSON.parse(JSON.stringify(result.data)), data, 'nothing is missing and nothing is too much');
  }
});
