// Attacks by way of the browser; the numbers are those of the cases that each guards.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, signIn, somebody, test } from './demo';

test('w01: signing in makes a new session, out of reach of scripts, sibling domains and other sites', async ({ page, context, demo }) => {
  await signIn(page, demo, 'dev');
  const [first] = await context.cookies();
  expect(first).toMatchObject({ name: '__Host-ajar', httpOnly: true, secure: true, sameSite: 'Strict', path: '/' });
  expect(await page.evaluate(() => document.cookie)).toBe('');

  // A session that somebody planted is not gone on with: signing in makes another, and ends the planted one.
  const planted = await context.request.post(`${demo.url}/api/v1/browser/sign-in`, {
    headers: { 'ajar-web': '1' },
    data: { name: 'peer', password: demo.account('peer').password },
  });
  expect(planted.status()).toBe(200);
  const [second] = await context.cookies();
  expect(second!.value).not.toBe(first!.value);
  const old = { headers: { authorization: `Bearer ${first!.value}` } };
  expect((await fetch(`${demo.url}/api/v1/me`, old)).status).toBe(401);

  // Signing out ends it at the server, not only in this browser.
  await page.reload();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in to Ajar' })).toBeVisible();
  expect(await context.cookies()).toEqual([]);
  expect((await fetch(`${demo.url}/api/v1/me`, { headers: { authorization: `Bearer ${second!.value}` } })).status).toBe(401);
});

test('w08: another site can neither decide by a form, nor by a script, nor show the pages in a frame', async ({ browser, demo }) => {
  const request = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: 'INC-7: a cross-site approve must not count' });
  const { page, context } = await somebody(browser, demo, 'peer');
  const target = `${demo.url}/api/v1/requests/${request}/reviews`;
  const attack = `<!doctype html><iframe src="${demo.url}/requests/${request}"></iframe>
    <form method="post" enctype="text/plain" action="${target}"><input name='{"verdict":"approve","note":"' value='"}'></form>`;
  const evil = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(attack)).listen(0, '127.0.0.1');
  await new Promise((then) => evil.once('listening', then));
  const port = (evil.address() as AddressInfo).port;
  try {
    // The same host and another port: same site, so that SameSite alone would let the cookie pass; and another site altogether.
    for (const host of ['127.0.0.1', 'localhost']) {
      const tab = await context.newPage();
      await tab.goto(`http://${host}:${port}/`);
      await expect.poll(() => tab.frames().length).toBe(2);
      expect(await tab.frames()[1]!.locator('body').innerText().catch(() => '')).not.toContain(request);
      const script = await tab.evaluate(
        async ([url]) => {
          const send = (headers: Record<string, string>) =>
            fetch(url!, { method: 'POST', credentials: 'include', mode: 'cors', headers, body: '{"verdict":"approve"}' }).then(
              (r) => r.status,
              () => 0,
            );
          return [await send({ 'content-type': 'text/plain' }), await send({ 'content-type': 'application/json', 'ajar-web': '1' })];
        },
        [target],
      );
      expect(script).toEqual([0, 0]);
      await Promise.all([tab.waitForURL(target), tab.evaluate(() => document.querySelector('form')!.submit())]);
      await tab.close();
    }
    expect((await demo.call<{ reviews: unknown[]; state: string }>('peer', 'GET', `requests/${request}`)).reviews).toEqual([]);
  } finally {
    evil.close();
  }
  await page.close();
  await demo.call('dev', 'POST', `requests/${request}/withdraw`);
});

test('a06: what follows a link, with or without a session, decides nothing', async ({ browser, demo }) => {
  const request = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: 'INC-7: scanners follow links' });
  const { context } = await somebody(browser, demo, 'peer');
  for (const path of [`requests/${request}`, `inbox?approve=${request}`, `requests/${request}?verdict=approve`]) {
    for (const method of ['GET', 'HEAD', 'POST']) {
      await context.request.fetch(`${demo.url}/${path}`, { method, headers: { accept: 'text/html' } });
    }
    const tab = await context.newPage();
    await tab.goto(`${demo.url}/${path}`);
    await expect(tab.getByRole('heading', { level: 1 })).toBeVisible();
    await tab.waitForTimeout(300);
    await tab.close();
  }
  const now = await demo.call<{ reviews: unknown[]; state: string }>('peer', 'GET', `requests/${request}`);
  expect([now.reviews, now.state]).toEqual([[], 'pending']);
  await demo.call('dev', 'POST', `requests/${request}/withdraw`);
});

test('w02: what people write is inert wherever it is shown', async ({ browser, demo }) => {
  const hostile = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script> \u202eevorppa\u2066 =HYPERLINK("http://x") \u001b]8;;http://x\u0007';
  const request = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: hostile });
  for (const who of ['peer', 'dev'] as const) {
    const { page, context } = await somebody(browser, demo, who);
    for (const path of who === 'peer' ? ['inbox', `requests/${request}`] : ['requests', `requests/${request}`]) {
      await page.goto(`${demo.url}/${path}`);
      await expect(page.getByText('onerror').first()).toBeVisible();
      const text = await page.evaluate(() => document.body.innerText);
      expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u001b\u0007]/);
      expect(await page.evaluate(() => (window as { pwned?: number }).pwned)).toBeUndefined();
      expect(await page.locator('img[src="x"]').count()).toBe(0);
    }
    await context.close();
  }
  await demo.call('dev', 'POST', `requests/${request}/withdraw`);
});

test('the pages run nothing but what came with them', async ({ page, demo }) => {
  const answer = await page.goto(`${demo.url}/`);
  const policy = answer!.headers()['content-security-policy']!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe-inline');
  const others = new Set<string>();
  page.on('request', (request) => others.add(new URL(request.url()).origin));
  const refused: string[] = [];
  page.on('console', (message) => message.text().includes('Content Security Policy') && refused.push(message.text()));
  await signIn(page, demo, 'operator');
  for (const path of ['', 'new', 'inbox', 'sessions', 'search', 'resources', 'rules', 'ledger', 'insight', 'people', 'settings']) {
    await page.goto(`${demo.url}/${path}`);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  }
  expect([...others]).toEqual([new URL(demo.url).origin]);
  expect(refused).toEqual([]);
});

test('w06: a password counts in full, however long', async ({ browser, demo }) => {
  const long = 'p'.repeat(80);
  await demo.call('operator', 'POST', 'password', { name: 'manager', new: `${long}x` });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(demo.url);
  await page.getByLabel('Name').fill('manager');
  await page.getByLabel('Password').fill(`${long}y`);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await page.getByLabel('Password').fill(`${long}x`);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByText('Signed in as manager')).toBeAttached();
  await context.close();
  await demo.call('operator', 'POST', 'password', { name: 'manager', new: demo.account('manager').password });
});
