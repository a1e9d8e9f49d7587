// `ajar login`: a real terminal, and the page where somebody compares the code and says yes or no.
import { statSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { expect, test, type Demo, type Who } from './demo';
import { device, enrol } from './passkey';
import { Terminal } from './terminal';

const withTerminal = test.extend<{ terminal: Terminal }>({
  terminal: async ({}, use) => {
    const terminal = new Terminal();
    await use(terminal);
    terminal.close();
  },
});

/** Begins to sign in there: the link and the code that it shows, and what it says in the end. */
async function begin(terminal: Terminal, demo: Demo) {
  const { err, said } = terminal.begin('login', '--no-browser', '--url', demo.url);
  const shown = () => /^open (\S+)\n.*shows this code: +([A-Z0-9]{4}-[A-Z0-9]{4})\n/.exec(err());
  await expect.poll(() => shown() !== null || err()).toBe(true);
  const [, link, code] = shown()!;
  return { link: link!, code: code!, said };
}

/** The sign-in form, on whatever page it stands. */
async function signInHere(page: Page, demo: Demo, who: Who): Promise<void> {
  await page.getByLabel('Name').fill(who);
  await page.getByLabel('Password').fill(demo.account(who).password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

withTerminal('w08: a terminal is signed in by who signs in at its link and says that the code is the same, until they end it', async ({ page, demo, terminal }) => {
  const { link, code, said } = await begin(terminal, demo);
  expect(new URL(link).origin).toBe(new URL(demo.url).origin);
  await page.goto(link);
  // Whoever isn't signed in learns nothing of it, and is led on to it.
  await expect(page.getByRole('heading', { name: 'Sign in to Ajar' })).toBeVisible();
  expect(await page.locator('body').innerText()).not.toContain(code);
  await signInHere(page, demo, 'dev');
  await expect(page.getByRole('heading', { name: 'Sign a terminal in' })).toBeVisible();
  await expect(page.getByText(code, { exact: true })).toBeVisible();
  const facts = page.getByRole('main').locator('dl');
  await expect(facts).toContainText('dev');
  await expect(facts).toContainText('127.0.0.1');

  // Looking is not yet a yes.
  expect(terminal.kept).toBeNull();
  await page.getByRole('button', { name: 'The code is the same: sign it in' }).click();
  await expect(page.getByText('The terminal is signed in.')).toBeVisible();
  const { code: left, err } = await said;
  expect(left, err).toBe(0);
  expect(err).toContain('as dev until');
  expect(statSync(terminal.credentials).mode & 0o777).toBe(0o600);

  // What it does from now on, dev does.
  const who = await terminal.run('whoami', '-o', 'json');
  expect(who.code, who.err).toBe(0);
  expect(JSON.parse(who.out)).toMatchObject({ name: 'dev', scope: 'full', operate: false });
  const asked = await terminal.run('request', 'orders-db', '--role', 'write', '--reason', 'INC-7: from a terminal', '-o', 'json');
  const { id } = JSON.parse(asked.out) as { id: string };
  expect(await demo.call('peer', 'GET', `requests/${id}`)).toMatchObject({ requester: 'dev', state: 'pending' });
  await demo.call('dev', 'POST', `requests/${id}/withdraw`);

  // The link is good for nothing any more.
  await page.reload();
  await expect(page.getByRole('alert')).toContainText('Not there');

  // Settings shows the terminal among what is signed in as dev, and ends it.
  await page.goto(`${demo.url}/settings`);
  const rows = page.getByRole('table', { name: 'Tokens that are good now' }).getByRole('row').filter({ hasText: 'ajar on ' });
  await expect(rows).toHaveCount(1);
  await rows.getByRole('button', { name: /^End/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
  await expect(rows).toHaveCount(0);
  const over = await terminal.run('requests');
  expect([over.code, over.out], over.err).toEqual([4, '']);
});

withTerminal('w08: a terminal that is refused in the page says so, and keeps nothing', async ({ page, demo, terminal }) => {
  const { link, code, said } = await begin(terminal, demo);
  await page.goto(link);
  await signInHere(page, demo, 'dev');
  await expect(page.getByText(code, { exact: true })).toBeVisible();
  const before = await demo.call<{ items: unknown[] }>('dev', 'GET', 'tokens');
  await page.getByRole('button', { name: 'Refuse' }).click();
  await expect(page.getByText('Refused: that terminal gets nothing.')).toBeVisible();
  const { code: left, out, err } = await said;
  expect([left, out]).toEqual([3, '']);
  expect(err).toContain('refused in the browser');
  expect(terminal.kept).toBeNull();
  expect((await terminal.run('whoami', '--url', demo.url)).code).toBe(4);
  expect((await demo.call<{ items: unknown[] }>('dev', 'GET', 'tokens')).items).toHaveLength(before.items.length);

  // What was refused can't be made good by going back to it; a code that no terminal shows is none.
  for (const path of [new URL(link).pathname, '/cli/BBBB-BBBB']) {
    await page.goto(demo.url + path);
    await expect(page.getByRole('alert')).toContainText('Not there');
    await expect(page.getByRole('button', { name: /sign it in/ })).toHaveCount(0);
  }
});

withTerminal('a06: a terminal of somebody with a passkey acts as them, and still approves nothing without it', async ({ page, own: demo, terminal }) => {
  test.setTimeout(150_000);
  await device(page);
  await page.goto(`${demo.url}/settings`);
  await signInHere(page, demo, 'peer');
  await enrol(page, demo, 'peer');
  await page.getByRole('button', { name: 'Sign out' }).click();

  const { link, code, said } = await begin(terminal, demo);
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByText(code, { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'The code is the same: sign it in' }).click();
  await expect(page.getByText('The terminal is signed in.')).toBeVisible();
  expect((await said).code).toBe(0);

  // The browser has just proven itself; the terminal that it let in has not.
  const request = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: 'INC-7: takes a passkey' });
  const waits = await terminal.run('inbox', '-o', 'json');
  expect(waits.out, waits.err).toContain(request);
  const approved = await terminal.run('approve', request);
  expect(approved.code, approved.out).toBe(3);
  expect(approved.err).toContain(`${demo.url}/requests/${request}`);
  expect(await demo.call('dev', 'GET', `requests/${request}`)).toMatchObject({ state: 'pending', reviews: [] });

  // Where it says, it can be done.
  await page.goto(`${demo.url}/requests/${request}`);
  await page.getByRole('button', { name: /^Approve/ }).click();
  await expect.poll(async () => (await demo.call<{ state: string }>('dev', 'GET', `requests/${request}`)).state).toBe('approved');
});
