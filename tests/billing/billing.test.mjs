// The biller's endpoint takes what Stripe's own library signs, and nothing else. The Rust suite sets RESLY_URL,
// RESLY_ADMIN_KEY (an operator's key) and RESLY_BILLING_WEBHOOK_SECRET of the host, and RESLY_NOW_S: what its clock says.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import Stripe from 'stripe';

const { RESLY_URL: url, RESLY_ADMIN_KEY: operator, RESLY_BILLING_WEBHOOK_SECRET: secret, RESLY_NOW_S: started } = process.env;
if (!url || !operator || !secret || !started) {
  throw new Error('set RESLY_URL, RESLY_ADMIN_KEY, RESLY_BILLING_WEBHOOK_SECRET and RESLY_NOW_S');
}

const stripe = new Stripe('sk_test_x', { telemetry: false });
const now = () => Math.floor(Number(started) + performance.now() / 1000);
const DAY = 24 * 3600;

async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${operator}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Posts an event as Stripe does; `sign` changes how it is signed. */
async function post(event, sign = {}) {
  const payload = JSON.stringify(event, null, 2);
  const signature = stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: now(), ...sign });
  const headers = { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature };
  const response = await fetch(`${url}/api/operator/billing/events`, { method: 'POST', headers, body: payload });
  return { status: response.status, answer: await response.json() };
}

let next = 0;
/** An event about a subscription, which was `made` in that second, as version 2025-03-31 of the API and later ones have it. */
function event(type, organization, { id = 'sub_1', created = now(), made = 0, plan = 'billing-pro', ...members } = {}) {
  const object = {
    id,
    object: 'subscription',
    created: made,
    status: 'active',
    cancel_at: null,
    cancel_at_period_end: false,
    trial_end: null,
    metadata: { organization_id: organization },
    items: {
      object: 'list',
      data: [{ id: 'si_1', object: 'subscription_item', current_period_end: now() + 30 * DAY, price: { id: 'price_1', object: 'price', lookup_key: plan, metadata: {} } }],
    },
    ...members,
  };
  return { id: `evt_${next++}`, object: 'event', api_version: '2025-03-31.basil', created, type, livemode: false, data: { object } };
}

async function tenant(name) {
  const { organization } = await ask('POST', '/api/operator/organizations', { name: `${name} ${Math.random()}` });
  return organization.id;
}

const state = async (organization) => {
  const { plan, subscription } = await ask('GET', `/api/operator/organizations/${organization}`);
  return [plan, subscription.status];
};

before(async () => {
  for (const id of ['billing-pro', 'billing-scale']) await ask('POST', '/api/operator/plans', { id, limits: { messages: 1000 } });
});

test('a subscription is created, fails to be paid, is renewed and ends', async () => {
  const organization = await tenant('Acme');
  const at = now();
  const created = await post(event('customer.subscription.created', organization, { created: at, status: 'trialing', trial_end: at + 14 * DAY }));
  assert.deepEqual(created, { status: 200, answer: { applied: true, reason: null } });
  assert.deepEqual(await state(organization), ['billing-pro', 'trial']);

  await post(event('customer.subscription.updated', organization, { created: at + 1, plan: 'billing-scale' }));
  assert.deepEqual(await state(organization), ['billing-scale', 'active']);

  const invoice = {
    id: 'in_1',
    object: 'invoice',
    parent: { type: 'subscription_details', subscription_details: { metadata: { organization_id: organization }, subscription: 'sub_1' } },
  };
  const failed = { ...event('invoice.payment_failed', organization, { created: at + 2 }), data: { object: invoice } };
  assert.equal((await post(failed)).answer.applied, true);
  assert.deepEqual(await state(organization), ['billing-scale', 'past_due']);

  await post(event('customer.subscription.updated', organization, { created: at + 3, plan: 'billing-scale' }));
  assert.deepEqual(await state(organization), ['billing-scale', 'active']);

  await post(event('customer.subscription.deleted', organization, { created: at + 4, plan: 'billing-scale', status: 'canceled' }));
  assert.deepEqual(await state(organization), ['billing-scale', 'expired']);
});

test('an event that comes twice or late changes nothing', async () => {
  const organization = await tenant('Late');
  const at = now();
  const first = event('customer.subscription.created', organization, { created: at - 10 });
  const second = event('customer.subscription.updated', organization, { created: at, status: 'past_due' });
  assert.equal((await post(second)).answer.applied, true);
  assert.deepEqual(await post(first), { status: 200, answer: { applied: false, reason: 'a newer event was applied' } });
  assert.deepEqual(await post(second), { status: 200, answer: { applied: false, reason: 'it was received before' } });
  assert.deepEqual(await state(organization), ['billing-pro', 'past_due']);

  // An upgrade: another subscription replaces it, and then it is cancelled and ends.
  await post(event('customer.subscription.created', organization, { id: 'sub_2', created: at + 1, made: at + 1, plan: 'billing-scale' }));
  for (const [type, created] of [['updated', at + 2], ['deleted', at + 3]]) {
    const old = await post(event(`customer.subscription.${type}`, organization, { created, cancel_at_period_end: true }));
    assert.equal(old.answer.applied, false);
  }
  assert.deepEqual(await state(organization), ['billing-scale', 'active']);
});

test('sixteen deliveries of one event at once apply it once', async () => {
  const organization = await tenant('Many');
  const same = event('customer.subscription.created', organization);
  const answers = await Promise.all(Array.from({ length: 16 }, () => post(same)));
  assert.equal(answers.filter(({ answer }) => answer.applied).length, 1);
});

test("what Stripe's library wouldn't accept isn't accepted", async () => {
  const organization = await tenant('Forged');
  const good = event('customer.subscription.created', organization);
  for (const sign of [{ secret: 'whsec_of_somebody_else' }, { timestamp: now() - 301 }, { scheme: 'v0' }, { payload: '{}' }]) {
    const { status, answer } = await post(good, sign);
    assert.equal(status, 400, JSON.stringify(sign));
    assert.equal(answer.type, '/docs/problems/invalid-signature');
  }
  const unsigned = await fetch(`${url}/api/operator/billing/events`, { method: 'POST', body: JSON.stringify(good) });
  assert.equal(unsigned.status, 400);
  const keyed = await fetch(`${url}/api/operator/billing/events`, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${operator}` } });
  assert.equal(keyed.status, 400, 'a key is no signature');
  assert.deepEqual(await state(organization), ['standard', 'active']);
});

test('what is wrong is told, so that the biller sends it again', async () => {
  const organization = await tenant('Wrong');
  const plan = await post(event('customer.subscription.created', organization, { plan: 'nowhere' }));
  assert.deepEqual([plan.status, plan.answer.errors[0].path], [422, 'plan']);
  const nobody = await post(event('customer.subscription.created', '01989c3a-7e10-7aaa-8bbb-0123456789ab'));
  assert.equal(nobody.status, 422);
  assert.deepEqual(await state(organization), ['standard', 'active']);
  const other = await post(event('customer.subscription.created', organization, { metadata: {} }));
  assert.deepEqual([other.status, other.answer.applied], [200, false], 'the operator sells something else, too');
  const empty = await post(event('customer.subscription.created', organization, { metadata: null }));
  assert.deepEqual([empty.status, empty.answer.applied], [200, false]);
  const unknown = await post({ ...event('customer.created', organization) });
  assert.deepEqual([unknown.status, unknown.answer.applied], [200, false]);
});
