// Passkeys with the browser's own authenticator, virtual: enrolled, signed in with, and asked for before an approval counts.
import { expect, somebody, test } from './demo';
import { device, enrol } from './passkey';

test('a06: with a passkey enrolled, an approval takes it; without it nothing is approved; it signs in as well', async ({ browser, own: demo }) => {
  test.setTimeout(150_000);
  const peer = await somebody(browser, demo, 'peer', { path: 'settings' });
  const { page } = peer;
  const { forget } = await device(page);
  await enrol(page, demo, 'peer');

  // A token alone, of whatever program, no longer approves.
  const request = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: 'INC-7: takes a passkey' });
  await expect(demo.call('peer', 'POST', `requests/${request}/reviews`, { verdict: 'approve' })).rejects.toThrow(/step_up_needed/);

  // In the browser the same click asks for it, and then approves.
  await page.goto(`${demo.url}/requests/${request}`);
  await page.getByRole('button', { name: /^Approve/ }).click();
  await expect.poll(async () => (await demo.call<{ state: string }>('dev', 'GET', `requests/${request}`)).state).toBe('approved');

  // It signs in without a name, and counts as fresh.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(page.getByText('Signed in as peer')).toBeAttached();
  const other = await demo.file('dev', { resource: 'orders-db', role: 'write', reason: 'INC-8: another one', for: '5m' });

  // Somebody at the same browser who doesn't have the device approves nothing.
  await forget();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Name').fill('peer');
  await page.getByLabel('Password').fill(demo.account('peer').password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByText('Signed in as peer')).toBeAttached();
  await page.goto(`${demo.url}/requests/${other}`);
  // The browser asks for a device that nobody has; the server has been asked once, and has refused.
  await Promise.all([
    page.waitForResponse((answer) => answer.url().endsWith('/reviews') && answer.status() === 403),
    page.getByRole('button', { name: /^Approve/ }).click(),
  ]);
  await page.waitForTimeout(1_000);
  expect((await demo.call<{ state: string }>('dev', 'GET', `requests/${other}`)).state).toBe('pending');
  await peer.context.close();
});
