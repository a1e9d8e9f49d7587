// The documents' pictures, of a demo in which something has happened: `cargo xtask shots`.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, somebody, test, type Demo } from './demo';

const FOLDER = join(import.meta.dirname, '../../docs/images');

async function shot(page: Page, name: string): Promise<void> {
  await expect(page.getByText('Loading', { exact: true })).toHaveCount(0);
  await page.waitForTimeout(1_500);
  await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: 'disabled' });
}

async function decide(demo: Demo, request: string, verdict: 'approve' | 'deny', note: string): Promise<void> {
  await demo.call('peer', 'POST', `requests/${request}/reviews`, { verdict, note });
}

test('pictures', async ({ browser, demo }) => {
  test.setTimeout(180_000);
  mkdirSync(FOLDER, { recursive: true });
  const view = { viewport: { width: 1280, height: 820 }, deviceScaleFactor: 1 };

  // Yesterday's work, so to say.
  const first = await demo.file('dev', { resource: 'orders-db', role: 'read', for: '10m', reason: 'INC-2041: which orders are stuck?' });
  await decide(demo, first, 'approve', 'go ahead');
  await demo.psql('dev', "select status, count(*) from orders group by status; select id, cents from orders where status = 'stuck' limit 5").said;
  await demo.giveBack('dev');
  const second = await demo.file('dev', { resource: 'orders-db', role: 'write', for: '10m', reason: 'try something out' });
  await decide(demo, second, 'deny', 'try it in staging first');
  const third = await demo.file('dev', { resource: 'orders-db', role: 'read', for: '10m', reason: 'INC-2044: refunds of March' });
  await decide(demo, third, 'approve', 'ok');
  await demo.psql('dev', 'select count(*) from orders').said;
  const waiting = await demo.file('dev', { resource: 'orders-db', role: 'write', for: '10m', reason: 'INC-2044: repair order 4711, its refund was booked twice' });

  const dev = await somebody(browser, demo, 'dev', { context: view });
  await shot(dev.page, 'home');
  await dev.page.goto(`${demo.url}/new?resource=orders-db&role=write&for=10m`);
  await dev.page.getByLabel(/^Reason/).fill('INC-2044: repair order 4711');
  await shot(dev.page, 'new-request');

  const peer = await somebody(browser, demo, 'peer', { path: 'inbox', context: { ...view, colorScheme: 'dark' } });
  await shot(peer.page, 'inbox');
  const phone = await somebody(browser, demo, 'peer', {
    path: `requests/${waiting}`,
    context: { viewport: { width: 375, height: 720 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  });
  await shot(phone.page, 'phone');

  const operator = await somebody(browser, demo, 'operator', { path: 'sessions', context: view });
  await shot(operator.page, 'sessions');
  const { items } = await demo.call<{ items: { id: string }[] }>('operator', 'GET', 'sessions?state=ended');
  await operator.page.goto(`${demo.url}/sessions/${items.at(-1)!.id}`);
  await shot(operator.page, 'recording');
  await operator.page.goto(`${demo.url}/rules?tab=whatif&user=dev&resource=orders-db&role=write`);
  await operator.page.getByRole('button', { name: 'Explain' }).click();
  await shot(operator.page, 'rules');
  await operator.page.goto(`${demo.url}/insight?last=7d`);
  await shot(operator.page, 'insight');

  const auditor = await somebody(browser, demo, 'auditor', { path: 'accesses', context: view });
  await shot(auditor.page, 'accesses');
  await auditor.page.goto(`${demo.url}/ledger/9`);
  await shot(auditor.page, 'proof');
  for (const { context } of [dev, peer, phone, operator, auditor]) await context.close();
});
