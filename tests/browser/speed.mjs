// Prints how soon the console answers in a browser whose processor is four times slower: a line of JSON for each figure, in
// milliseconds. `make bench pages` runs it against a large organization. It needs what the kit needs, and a sign-in link
// in RESLY_CONSOLE_URL.
import { browser, inView, visit } from './kit.mjs';
import { session } from './walk.mjs';

const SLOWER = 4;
const ROUNDS = 5;
const PHONE = { name: 'speed', size: 'phone', scheme: 'light', script: true };
const PAGES = [
  '/console', '/console/conversations', '/console/tickets', '/console/logs', '/console/connectors', '/console/knowledge',
  '/console/account/members', '/console/account/audit', '/console/account/billing/history', '/console/deploy/api',
];

function tell(what, times) {
  const sorted = [...times].sort((one, other) => one - other);
  console.log(JSON.stringify({ what, median: sorted[sorted.length >> 1], worst: sorted.at(-1) }));
}

async function slow(page) {
  const debug = await page.context().newCDPSession(page);
  await debug.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  return debug;
}

/** The longest time from an input to the next paint while `act` runs (Event Timing). What is below 16 ms isn't told. */
async function interaction(page, act) {
  await page.evaluate(() => {
    window.inputs = [];
    window.observer?.disconnect();
    window.observer = new PerformanceObserver((list) => window.inputs.push(...list.getEntries()));
    window.observer.observe({ type: 'event', durationThreshold: 16 });
  });
  await act();
  return page.evaluate(() => new Promise((done) => {
    const told = () => {
      const entries = [...window.inputs, ...window.observer.takeRecords()];
      done(Math.max(8, ...entries.filter((one) => one.interactionId).map((one) => one.duration)));
    };
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(told, 100)));
  }));
}

/** Measures an interaction on a page some times. */
async function measure(what, path, act) {
  const times = [];
  await inView(PHONE, async (page) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await visit(page, path);
      const debug = await slow(page);
      times.push(await interaction(page, () => act(page)));
      await debug.detach();
    }
  }, { storageState: await session() });
  tell(`to the next paint, at worst of an interaction: ${what}`, times);
}

/** The time from the start of a navigation to the page's first paint with content. */
async function painted(debug, navigate) {
  const loads = new Map();
  let done;
  const paint = new Promise((resolve) => { done = resolve; });
  const listen = ({ loaderId, name, timestamp }) => {
    if (name === 'init') loads.set(loaderId, timestamp);
    if (name === 'firstContentfulPaint' && loads.has(loaderId)) done((timestamp - loads.get(loaderId)) * 1000);
  };
  debug.on('Page.lifecycleEvent', listen);
  await navigate();
  const time = await paint;
  debug.off('Page.lifecycleEvent', listen);
  return time;
}

/** Runs `each` with a page whose paints are told. */
async function withPaints(script, each) {
  await inView({ ...PHONE, script }, async (page) => {
    const debug = await slow(page);
    await debug.send('Page.enable');
    await debug.send('Page.setLifecycleEventsEnabled', { enabled: true });
    await each(page, debug);
  }, { storageState: await session() });
}

await measure('opening the menu', '/console/logs', (page) => page.click('details.menu summary'));
await measure('opening a dialog', '/console/account/members', (page) => page.click('button[data-dialog]'));
await measure('typing in a filter', '/console/logs', async (page) => {
  await page.click('input[name=q]');
  await page.keyboard.type('answered 503');
});
await measure('choosing in a list of all connections', '/console/logs', async (page) => {
  await page.focus('select[name=connection]');
  await page.keyboard.press('ArrowDown');
});
await measure('sending in the playground', '/console/playground', async (page) => {
  await page.fill('[name=question]', 'How do I rotate a key?');
  await page.click('[data-playground] button:not([type=button])');
});

await withPaints(true, async (page, debug) => {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.goto('/console/tickets');
    times.push(await painted(debug, () => page.click('.tabs a:nth-of-type(2)')));
  }
  tell('to the first paint: switching a tab', times);
});

await withPaints(false, async (page, debug) => {
  for (const path of PAGES) {
    const times = [];
    for (let round = 0; round < ROUNDS; round += 1) times.push(await painted(debug, () => page.goto(path)));
    tell(`to the first paint, without script: ${path}`, times);
  }
});

await (await browser()).close();
