// Everybody can use it: axe on every page, in both themes, wide and narrow; the keyboard; nothing scrolls sideways.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, somebody, test } from './demo';

const PAGES = ['', 'new', 'inbox', 'requests', 'sessions', 'search', 'search?in=requests', 'resources', 'resources/orders-db', 'accesses', 'rules', 'rules?tab=whatif', 'rules?tab=draft', 'rules?tab=past', 'ledger', 'ledger/3', 'insight', 'people', 'settings', 'nowhere'];

async function settled(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.waitForLoadState('networkidle');
  await expect(page.getByText('Loading', { exact: true })).toHaveCount(0);
}

for (const [theme, width] of [['light', 1280], ['dark', 1280], ['light', 320], ['dark', 320]] as const) {
  test(`axe finds nothing, ${theme}, ${width} wide`, async ({ browser, demo }) => {
    test.setTimeout(150_000);
    const request = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: `INC-7: seen ${theme} at ${width}` });
    // The event stream never ends, so the network would never be idle: pages are current when they are read.
    const { page, context } = await somebody(browser, demo, 'operator', { context: { colorScheme: theme, viewport: { width, height: 800 } } });
    await page.route('**/api/v1/events', (route) => route.abort());
    const found: string[] = [];
    for (const path of [...PAGES, `requests/${request}`]) {
      await page.goto(`${demo.url}/${path}`);
      await settled(page);
      const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
      found.push(...violations.map(({ id, nodes }) => `${path || 'home'}: ${id}: ${nodes[0]!.html.slice(0, 160)}`));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) found.push(`${path || 'home'}: scrolls sideways by ${wide}`);
    }
    await context.close();
    await demo.call('dev', 'POST', `requests/${request}/withdraw`);
    expect(found).toEqual([]);
  });
}

test('the inbox is worked by keys alone', async ({ browser, demo }) => {
  const ids: string[] = [];
  for (const n of [1, 2]) ids.push(await demo.file('dev', { resource: 'orders-db', role: n === 1 ? 'write' : 'read', reason: `INC-7: by keys ${n}` }));
  const { page, context } = await somebody(browser, demo, 'peer', { path: 'inbox' });
  await expect(page.getByRole('article')).toHaveCount(2);
  await page.keyboard.press('j');
  await page.keyboard.press('a');
  await expect.poll(async () => (await Promise.all(ids.map((id) => demo.call<{ state: string }>('peer', 'GET', `requests/${id}`)))).map(({ state }) => state).sort()).toEqual(['approved', 'pending']);
  await page.keyboard.press('j');
  await page.keyboard.press('d');
  await page.keyboard.type('not today');
  await page.keyboard.press('Control+Enter');
  await expect.poll(async () => (await Promise.all(ids.map((id) => demo.call<{ state: string }>('peer', 'GET', `requests/${id}`)))).map(({ state }) => state).sort()).toEqual(['approved', 'denied']);
  await context.close();
});

test('each state is honest: nothing yet, not for you, gone, and no connection', async ({ browser, demo }) => {
  const { page, context } = await somebody(browser, demo, 'dev', { path: 'ledger' });
  await expect(page.getByRole('alert').first()).toContainText('not for you');
  await page.goto(`${demo.url}/requests/req_00000000000000000000000000`);
  await expect(page.getByRole('alert').first()).toContainText(/not there/i);
  await page.goto(`${demo.url}/inbox`);
  await expect(page.getByText('Nothing waits for you.')).toBeVisible();

  // What was there stays, and the page says that it may be old; it comes back by itself.
  await context.setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event('offline')));
  await expect(page.getByText(/connection lost/i)).toBeVisible({ timeout: 20_000 });
  await expect(page.getByText('Nothing waits for you.')).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByText(/connection lost/i)).toHaveCount(0, { timeout: 30_000 });
  await context.close();
});
