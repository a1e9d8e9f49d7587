// How much a first visit fetches, and how long it takes until it can be used: from a release binary, over loopback.
import { expect, signIn, test } from './demo';

test('the first page is small and quick', async ({ browser, demo }) => {
  const times: number[] = [];
  let bytes = 0;
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
    await expect(page.getByRole('region', { name: 'Open to you' })).toBeVisible();
    times.push(Date.now() - begun);
    bytes = whole;
    await context.close();
  }
  times.sort((a, b) => a - b);
  console.log(`first visit, with signing in: ${(bytes / 1_024).toFixed(0)} KiB compressed; Home cold: median ${times[2]} ms of ${times.join(', ')}`);
  expect(bytes).toBeLessThan(200 * 1_024);
  expect(times[2]).toBeLessThan(1_000);
});
