// The story, as people live it: two people in two browsers, a real psql between them, and an auditor afterwards.
import { expect, somebody, test } from './demo';

test.beforeEach(({ demo }) => demo.giveBack('dev'));

test('held, approved by a click, in, watched, looked back at, proven', async ({ browser, demo }) => {
  test.setTimeout(120_000);
  const dev = await somebody(browser, demo, 'dev');
  const peer = await somebody(browser, demo, 'peer', { path: 'inbox' });
  await expect(peer.page.getByText('Nothing waits for you.')).toBeVisible();

  // psql is held; the inbox shows it by itself, and so does dev's own page.
  const psql = demo.psql('dev', 'select count(*) from orders; select pg_sleep(6)');
  const card = peer.page.getByRole('article').filter({ hasText: 'orders-db' });
  await expect(card).toBeVisible();
  await expect(peer.page.getByRole('navigation').getByLabel('1 waiting')).toBeVisible();
  await expect(dev.page.getByRole('link', { name: /orders-db/ }).first()).toBeVisible();

  // One click lets it in.
  await card.getByRole('button', { name: /^Approve/ }).click();
  await expect(dev.page.getByRole('heading', { name: /orders-db/ }).first()).toBeVisible();

  // An operator sees it while it goes on.
  const operator = await somebody(browser, demo, 'operator', { path: 'sessions' });
  const now = operator.page.getByRole('table', { name: 'Sessions that are held or live' });
  await expect(now.getByRole('row').filter({ hasText: 'dev' })).toContainText('live');
  await now.getByRole('row').filter({ hasText: 'dev' }).getByRole('link').first().click();
  await expect(operator.page.getByText('select count(*) from orders').first()).toBeVisible();
  const { code, out, err } = await psql.said;
  expect({ code, out: out.split('\n')[0] }, err).toEqual({ code: 0, out: '5000' });
  await expect(operator.page.getByText(/client left/i).first()).toBeVisible();

  // Last week's access is found without knowing where.
  await dev.page.getByRole('link', { name: 'Search', exact: true }).click();
  await dev.page.getByRole('searchbox').or(dev.page.getByLabel(/search|find/i)).first().fill('orders-db');
  await dev.page.keyboard.press('Enter');
  await expect(dev.page.getByRole('link', { name: /orders-db/ }).first()).toBeVisible();

  // An auditor: accesses of the quarter, with reason and reviewer, as a file, in three clicks.
  const auditor = await somebody(browser, demo, 'auditor');
  await auditor.page.getByRole('link', { name: 'Accesses', exact: true }).click();
  await auditor.page.getByText('This quarter', { exact: true }).first().click();
  const row = auditor.page.getByRole('row').filter({ hasText: 'orders-db' }).first();
  await expect(row).toContainText('dev');
  await expect(row).toContainText('peer');
  const [file] = await Promise.all([auditor.page.waitForEvent('download'), auditor.page.getByRole('link', { name: 'Download CSV' }).click()]);
  const lines = (await (await file.createReadStream()).toArray()).join('').split(/\r?\n/);
  expect(lines[0]).toContain('reason');
  expect(lines.some((line) => line.includes('orders-db') && line.includes('peer'))).toBe(true);
  for (const { context } of [dev, peer, operator, auditor]) await context.close();
});

test('asked for on the page, approved on a phone, given back; everybody sees it as it happens', async ({ browser, demo }) => {
  const dev = await somebody(browser, demo, 'dev', { path: 'new?resource=orders-db&role=write' });
  await expect(dev.page.getByText(/peer/).first()).toBeVisible();
  await dev.page.getByLabel(/^Reason/).fill('INC-11: repair a stuck order');
  await dev.page.getByRole('button', { name: /^(Ask|File|Request|Send)/ }).click();
  await dev.page.waitForURL(/requests\/req_/);
  const id = dev.page.url().split('/').at(-1)!;

  const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
  const peer = await somebody(browser, demo, 'peer', { path: `requests/${id}`, context: phone });
  // Who, what, why, how long, and the answer: on one screen.
  for (const what of [peer.page.getByText('INC-11: repair a stuck order').first(), peer.page.getByRole('button', { name: /^Approve/ })]) {
    await expect(what).toBeInViewport();
  }
  await peer.page.getByRole('button', { name: /^Approve/ }).tap();
  await expect(dev.page.getByText(/approved/i).first()).toBeVisible();

  await dev.page.getByRole('link', { name: 'Home', exact: true }).click();
  await dev.page.getByRole('button', { name: 'Return write on orders-db' }).click();
  await dev.page.getByRole('dialog').getByRole('button', { name: /return/i }).click();
  await expect.poll(async () => (await demo.call<{ items: { role: string; state: string }[] }>('dev', 'GET', 'grants')).items.filter((g) => g.role === 'write').map((g) => g.state)).not.toContain('open');
  for (const { context } of [dev, peer]) await context.close();
});

test('a session is ended by a click, and whoever is in it hears why', async ({ browser, demo }) => {
  const psql = demo.psql('dev', 'select pg_sleep(50)');
  const inbox = async () => (await demo.call<{ items: { id: string }[] }>('peer', 'GET', 'inbox')).items.map(({ id }) => id);
  await expect.poll(inbox).toHaveLength(1);
  const [waiting] = await inbox();
  await demo.call('peer', 'POST', `requests/${waiting}/reviews`, { verdict: 'approve' });
  const { page, context } = await somebody(browser, demo, 'operator', { path: 'sessions' });
  const row = page.getByRole('table', { name: 'Sessions that are held or live' }).getByRole('row').filter({ hasText: 'live' });
  await row.getByRole('button', { name: /^(Kill|End)/ }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('not from there');
  await page.getByRole('dialog').getByRole('button', { name: /^(Kill|End)/ }).click();
  const { err } = await psql.said;
  expect(err).toMatch(/operator|ended|not from there/);
  await context.close();
});
