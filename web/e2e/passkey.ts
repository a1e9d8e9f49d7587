// A device with a fingerprint reader, and a finger on it: the browser's own authenticator, virtual.
import type { Page } from '@playwright/test';
import { expect, type Demo, type Who } from './demo';

export async function device(page: Page): Promise<{ forget: () => Promise<void> }> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  return { forget: () => cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }) as unknown as Promise<void> };
}

/** Enrols the device of this page, on which Settings is shown, as somebody's first passkey. */
export async function enrol(page: Page, demo: Demo, who: Who, name = 'laptop'): Promise<void> {
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill(name);
  await page.getByRole('dialog').getByLabel('Your password').fill(demo.account(who).password);
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Passkeys' }).getByText(name).first()).toBeVisible();
}
