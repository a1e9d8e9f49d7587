// How much a first visit fetches, and how long it takes until it can be used: from a release binary, over loopback.
import type { Page } from '@playwright/test';
import { expect, signIn, somebody, test } from './demo';
import { fill } from './many';

// Taking traces takes time itself.
test.use({ trace: 'off' });

test('the first page is small and quick', async ({ browser, demo }) => {
  const times: number[] = [];
  let bytes = 0;
  // Somebody who has asked before: who is new is shown something else.
  const request = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: 'INC-7: asked before' });
  await demo.call('dev', 'POST', `requests/${request}/withdraw`);
  for (let turn = 0; turn < 5; turn++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send('Network.enable');
    bytes = 0;
    cdp.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
    await signIn(page, demo, 'dev');
    await expect(page.getByRole('heading', { name: 'Home' })).toBeVisible();
    const whole = bytes;
    // Signed in and cold: nothing is in the cache, and the page is there when its heading and its lists are.
    await cdp.send('Network.setCacheDisabled', { cacheDisabled: true });
    const begun = Date.now();
    await page.goto(`${demo.url}/`, { waitUntil: 'commit' });
    for (const name of ['Open to you', 'Lately']) await expect(page.getByRole('region', { name })).toBeVisible();
    times.push(Date.now() - begun);
    bytes = whole;
    await context.close();
  }
  times.sort((a, b) => a - b);
  console.log(`first visit, with signing in: ${(bytes / 1_024).toFixed(0)} KiB compressed; Home cold: median ${times[2]} ms of ${times.join(', ')}`);
  expect(bytes).toBeLessThan(200 * 1_024);
  expect(times[2]).toBeLessThan(1_000);
});

/** How many are put on record for the next one: more than it goes down. */
const REQUESTS = Number(process.env.AJAR_WEB_REQUESTS ?? 100_000);
const PAGES = 20;
/** What the page notes of itself: when its first rows were there, and each task in which it answered nobody, in milliseconds. */
interface Noted {
  noted: { rows: number; tasks: { at: number; ms: number }[] };
}

/** Run in the page before anything else. */
function note() {
  const noted: Noted['noted'] = { rows: 0, tasks: [] };
  Object.assign(window, { noted });
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) noted.tasks.push({ at: startTime, ms: Math.round(duration) });
  }).observe({ type: 'longtask', buffered: true });
  const rows = new MutationObserver(() => {
    if (!document.querySelector('tbody tr')) return;
    rows.disconnect();
    requestAnimationFrame(() => setTimeout(() => (noted.rows = performance.now())));
  });
  rows.observe(document, { childList: true, subtree: true });
}

const noted = (page: Page) => page.evaluate(() => (window as unknown as Noted).noted);

/** The longest task of the page since a moment of its own clock; those of less than 50 ms are none. */
async function longest(page: Page, since: number): Promise<number> {
  return Math.max(0, ...(await noted(page)).tasks.filter(({ at }) => at >= since).map(({ ms }) => ms));
}

function words(times: number[]): string {
  const sorted = times.map(Math.round).sort((a, b) => a - b);
  return `median ${median(times)} ms of ${sorted[0]} to ${sorted.at(-1)}`;
}

function median(times: number[]): number {
  return Math.round(times.toSorted((a, b) => a - b)[times.length >> 1]!);
}

/** How long the page takes for what somebody does: from `act`, which tells how it was before, until `is` holds of that and is painted. */
function takes(page: Page, act: () => unknown, is: (before: unknown) => boolean): Promise<number> {
  return page.evaluate(`(async () => {
    const [act, is] = [${act}, ${is}];
    const begun = performance.now();
    const before = act();
    while (!is(before)) await new Promise(requestAnimationFrame);
    await new Promise((then) => requestAnimationFrame(() => setTimeout(then)));
    return performance.now() - begun;
  })()`);
}

/** The rows that are drawn. */
const ROWS = 'tbody:not([aria-hidden]) tr';

test('many requests: the list comes quickly, and stays fluid however far somebody goes down it', async ({ browser, own: demo }) => {
  test.setTimeout(120_000 + REQUESTS * 10);
  const begun = Date.now();
  await fill(demo, REQUESTS, 2_200);
  console.log(`${REQUESTS} requests filed in ${((Date.now() - begun) / 1_000).toFixed(0)} s`);
  const { page, context } = await somebody(browser, demo, 'auditor', { context: { viewport: { width: 1280, height: 900 } } });
  await page.addInitScript(note);
  await (await context.newCDPSession(page)).send('Network.setCacheDisabled', { cacheDisabled: true });

  // Cold: nothing is in the cache.
  const first: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    await page.goto(`${demo.url}/requests`);
    await expect.poll(async () => (await noted(page)).rows).toBeGreaterThan(0);
    first.push((await noted(page)).rows);
  }
  const loaded = await page.evaluate(() => performance.now());
  console.log(`Requests cold, until its rows are there: ${words(first)}`);

  // Down, page by page, with a look at the end of each: nothing is blank.
  const older: number[] = [];
  for (let turn = 1; turn <= PAGES; turn++) {
    older.push(
      await takes(
        page,
        () => {
          const before = document.querySelector('main .above span')!.textContent;
          [...document.querySelectorAll('button')].find((button) => button.textContent.includes('Load older'))!.click();
          return before;
        },
        (before) => document.querySelector('main .above span')!.textContent !== before,
      ),
    );
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await expect(page.getByText(`${50 + turn * 100}+ requests`)).toBeAttached();
    await expect(page.locator(ROWS).last()).toBeInViewport();
  }
  const drawn = await page.evaluate((rows) => [document.querySelectorAll(rows).length, document.getElementsByTagName('*').length] as const, ROWS);
  console.log(`100 older ones, ${PAGES} times: ${words(older)}; then ${drawn[0]} rows and ${drawn[1]} elements in the document`);

  // Up and down through what is there.
  const scrolled = await page.evaluate(() => performance.now());
  await page.evaluate(async () => {
    for (let turn = 0; turn < 90; turn++) {
      scrollBy(0, turn < 30 ? -3_000 : turn < 60 ? 3_000 : -9_000);
      await new Promise((then) => requestAnimationFrame(() => setTimeout(then)));
    }
  });
  await expect(page.locator(ROWS).first()).toBeInViewport();
  const frames = await longest(page, scrolled);
  const tasks = await longest(page, loaded);
  console.log(`the longest task, after loading: ${tasks} ms; while scrolling: ${frames} ms (0: none of 50 or more)`);

  // Narrowed by state and by resource.
  const narrowed: number[] = [];
  narrowed.push(
    await takes(
      page,
      () => {
        const state = document.querySelector<HTMLSelectElement>('form[aria-label=Filters] select')!;
        state.value = 'denied';
        state.dispatchEvent(new Event('change', { bubbles: true }));
      },
      () => {
        const states = [...document.querySelectorAll('tbody .badge')].map(({ textContent }) => textContent);
        return states.length === 50 && states.every((state) => state === 'denied');
      },
    ),
    await takes(
      page,
      () => {
        const resource = document.querySelector<HTMLInputElement>('form[aria-label=Filters] input')!;
        resource.value = 'orders-db';
        resource.dispatchEvent(new Event('change', { bubbles: true }));
      },
      () => {
        const links = [...document.querySelectorAll('tbody a')].map(({ textContent }) => textContent);
        return links.length === 50 && links.every((text) => text.includes('orders-db'));
      },
    ),
  );
  console.log(`narrowed: by state ${narrowed[0]!.toFixed(0)} ms, by resource as well ${narrowed[1]!.toFixed(0)} ms`);

  // Found by text: one that each has, and one that only the oldest has.
  await page.goto(`${demo.url}/search`);
  await expect(page.getByRole('main').getByRole('listitem').first()).toBeVisible();
  const found: number[] = [];
  for (const text of ['deployment', 'INC-7:']) {
    await page.getByRole('searchbox').fill(text);
    found.push(
      await takes(
        page,
        () => {
          const answers = { count: 0 };
          const list = document.querySelector('main ol')!.closest('[aria-busy]')!;
          new MutationObserver(() => (answers.count += list.getAttribute('aria-busy') === 'false' ? 1 : 0)).observe(list, { attributeFilter: ['aria-busy'] });
          document.querySelector<HTMLFormElement>('form[role=search]')!.requestSubmit();
          return answers;
        },
        (answers) => (answers as { count: number }).count > 0,
      ),
    );
  }
  console.log(`a text that each has: found in ${found[0]!.toFixed(0)} ms; one that only the oldest has: answered in ${found[1]!.toFixed(0)} ms`);
  await context.close();

  expect(median(first)).toBeLessThanOrEqual(1_000);
  expect(median(older)).toBeLessThanOrEqual(300);
  expect(tasks).toBeLessThanOrEqual(200);
  expect(drawn[0]).toBeLessThanOrEqual(150);
  expect(Math.max(...narrowed)).toBeLessThanOrEqual(500);
  expect(Math.max(...found)).toBeLessThanOrEqual(1_000);
});
