// Passkeys: the browser does the proving, the server the believing; what goes between them is WebAuthn's own JSON.
import { call, Refused, type Me } from './api';

export interface Passkey {
  id: string;
  label: string;
  created_at: string;
  last_used_at?: string | null;
}
type Ceremony = { ceremony: string; options: unknown };

/** Whether this browser has what it takes, on this address. */
export function passkeysWork(): boolean {
  return window.isSecureContext && typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;
}

type Options = { publicKey?: unknown };

function inner(options: unknown): never {
  // The types of the JSON forms differ between TypeScript's and the server's: both are the specification's.
  return ((options as Options).publicKey ?? options) as never;
}

async function prompt<T>(what: () => Promise<T | null>): Promise<T> {
  try {
    const made = await what();
    if (made) return made;
  } catch (error) {
    throw new Refused(-1, 'passkey', 'No passkey was used.', error instanceof Error ? error.message : null, 'Try again, or use another device.');
  }
  throw new Refused(-1, 'passkey', 'No passkey was used.');
}

async function get(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(inner(options));
  const made = await prompt(() => navigator.credentials.get({ publicKey }));
  return (made as PublicKeyCredential).toJSON();
}

/** Signs in with a passkey of this device, whoever it belongs to. */
export async function passkeySignIn(): Promise<Me> {
  const { ceremony, options } = await call<Ceremony>('POST', 'browser/passkey', {});
  return call<Me>('POST', 'browser/passkey/finish', { ceremony, credential: await get(options) });
}

/** Makes a new passkey for who is signed in; the first one takes the password. */
export async function addPasskey(label: string, current?: string): Promise<Passkey> {
  const { ceremony, options } = await call<Ceremony>('POST', 'passkeys/register', { current });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(inner(options));
  const made = await prompt(() => navigator.credentials.create({ publicKey }));
  const credential = (made as PublicKeyCredential).toJSON();
  return call<Passkey>('POST', 'passkeys', { ceremony, label, credential });
}

/** Proves afresh who sits here: good for five minutes of approving. */
export async function proveAfresh(): Promise<void> {
  const { ceremony, options } = await call<Ceremony>('POST', 'passkeys/step-up', {});
  await call('POST', 'passkeys/step-up/finish', { ceremony, credential: await get(options) });
}

/** Does something that may take a fresh proof: asks for the passkey when the server wants it, and does it again. */
export async function afresh<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'step_up_needed') throw error;
    await proveAfresh();
    return act();
  }
}
