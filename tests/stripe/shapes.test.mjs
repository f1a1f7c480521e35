// The Stripe connector beside Stripe's own client, which is made for one version of the API: the same requests, and
// fixtures that are of the types that the client has for what Stripe answers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { parse } from 'smol-toml';
import Stripe from 'stripe';
import ts from 'typescript';

const manifest = parse(readFileSync(new URL('../../plugins/stripe/connector.toml', import.meta.url), 'utf8'));

const customer = 'cus_NffrFeUfNV2Hib';
const list = { customer, limit: 3 };
const CALL = '01893b2e-7c00-7abc-8def-0123456789ab';

/** Each action: an input, the same asked of Stripe's client, and the type of the answer. */
const ACTIONS = {
  find_customers: [
    { email: 'ada@example.com', after: 'cus_1' },
    (s, i) => s.customers.list({ email: i.email, limit: 5, starting_after: i.after }),
    'Stripe.ApiList<Stripe.Customer>',
  ],
  get_customer: [{ customer }, (s, i) => s.customers.retrieve(i.customer), 'Stripe.Customer'],
  list_subscriptions: [
    { ...list, after: 'sub_1' },
    (s, i) => s.subscriptions.list({ ...list, status: 'all', starting_after: i.after }),
    'Stripe.ApiList<Stripe.Subscription>',
  ],
  list_invoices: [list, (s) => s.invoices.list(list), 'Stripe.ApiList<Stripe.Invoice>'],
  list_charges: [{ ...list, after: 'ch_1' }, (s, i) => s.charges.list({ ...list, starting_after: i.after }), 'Stripe.ApiList<Stripe.Charge>'],
  cancel_subscription: [
    { subscription: 'sub_1', comment: 'too dear' },
    (s, i, o) => s.subscriptions.update(i.subscription, { cancel_at_period_end: true, cancellation_details: { comment: i.comment } }, o),
    'Stripe.Subscription',
  ],
  resume_subscription: [
    { subscription: 'sub_1' },
    (s, i, o) => s.subscriptions.update(i.subscription, { cancel_at_period_end: false }, o),
    'Stripe.Subscription',
  ],
  refund_charge: [
    { charge: 'ch_1', amount: 500, reason: 'requested_by_customer' },
    (s, i, o) => s.refunds.create({ charge: i.charge, amount: i.amount, reason: i.reason }, o),
    'Stripe.Refund',
  ],
};

/** What Stripe's client sends. */
async function asked(ask, input) {
  let sent;
  const fetch = async (url, { method, headers, body }) => {
    sent = { method, url: new URL(url), headers: new Headers(headers), body };
    return new Response('{}', { status: 200, headers: { 'content-type': 'application/json' } });
  };
  const stripe = new Stripe('sk_test_x', { httpClient: Stripe.createFetchHttpClient(fetch), telemetry: false });
  await ask(stripe, input, { idempotencyKey: CALL });
  return sent;
}

/** What the connector sends, for templates as simple as this manifest's. */
function made({ method = 'GET', url, headers, query = {}, body = {} }, input) {
  const value = (template) => {
    const whole = String(template).match(/^{{ (input|call)\.(\w+)(?: \| default\((\d+)\))? }}$/);
    if (!whole) return template;
    return whole[1] === 'call' ? CALL : (input[whole[2]] ?? whole[3]);
  };
  const pairs = (tree, name) =>
    typeof tree === 'object'
      ? Object.entries(tree).flatMap(([member, inner]) => pairs(inner, name ? `${name}[${member}]` : member))
      : [[name, value(tree)]].filter(([, known]) => known !== undefined);
  const target = new URL(url.replace(/{{ input\.(\w+) }}/g, (_, name) => encodeURIComponent(input[name])));
  target.search = new URLSearchParams(pairs(query, ''));
  const sent = Object.entries(headers).map(([name, template]) => [name, value(template)]);
  return { method, url: target, headers: new Headers(sent), body: String(new URLSearchParams(pairs(body, ''))) };
}

const sorted = (form) => [...new URLSearchParams(form ?? '')].map(String).sort();

test('every action is known here', () => {
  assert.deepEqual(manifest.actions.map(({ id }) => id), Object.keys(ACTIONS));
});

for (const [id, [input, ask]] of Object.entries(ACTIONS)) {
  test(`${id} asks what Stripe's client asks`, async () => {
    const theirs = await asked(ask, input);
    const action = manifest.actions.find((action) => action.id === id);
    const ours = made(action.request, input);
    assert.equal(ours.method, theirs.method);
    assert.equal(ours.url.origin + ours.url.pathname, theirs.url.origin + theirs.url.pathname);
    assert.deepEqual(sorted(ours.url.search), sorted(theirs.url.search));
    assert.deepEqual(sorted(ours.body), sorted(theirs.body));
    assert.equal(ours.headers.get('stripe-version'), theirs.headers.get('stripe-version'));
    const writes = action.side_effect === 'write';
    assert.equal(ours.headers.get('idempotency-key'), writes ? CALL : null);
    assert.equal(theirs.headers.get('idempotency-key'), writes ? CALL : null);
    if (writes) assert.equal(action.request.body_type, 'form');
  });
}

test('every fixture is of the type of what it answers', () => {
  const paths = Object.entries(ACTIONS).map(([id, [input, , type]]) => {
    const { request } = manifest.actions.find((action) => action.id === id);
    const { method, url } = made(request, input);
    return { method, path: url.pathname.replace(/\/(cus|sub)_\w+$/, '/ID'), type };
  });
  const declared = manifest.fixtures.map(({ match, response }, at) => {
    const path = match.path?.replace(/\/(cus|sub)_\w+$/, '/ID');
    const known = paths.find((known) => known.method === match.method && known.path === path)?.type;
    const type = response.status === 200 ? known : '{ error: Stripe.StripeRawError }';
    assert.ok(type, `fixture ${at} answers an action`);
    return `export const fixture${at}: Cut<${type}> = ${response.text};`;
  });
  const text = `import Stripe from 'stripe';
    type Cut<T> = T extends (infer U)[] ? Cut<U>[] : T extends object ? { [K in keyof T]?: Cut<T[K]> } : T;
    ${declared.join('\n')}
    // @ts-expect-error: the check would see a mistake
    export const wrong: Cut<Stripe.ApiList<Stripe.Customer>> = { data: [{ ballance: 1 }] };`;
  assert.deepEqual(mistakes(text), []);
});

/** What the compiler says of a module beside this one. */
function mistakes(text) {
  const name = fileURLToPath(new URL('fixtures.mts', import.meta.url));
  const options = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.readFile = (file) => (file === name ? text : readFile(file));
  host.fileExists = (file) => file === name || fileExists(file);
  host.getSourceFile = (file, ...rest) =>
    file === name ? ts.createSourceFile(file, text, ts.ScriptTarget.ESNext) : getSourceFile(file, ...rest);
  const program = ts.createProgram([name], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
