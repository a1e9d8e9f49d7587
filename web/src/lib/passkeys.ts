// Passkeys: the browser does the proving, the server the believing; what goes between them is WebAuthn's own JSON.
import { ask, browserPasskey, browserPasskeyFinish, passkeyEnrol, passkeyRegister, Refused, stepUp, stepUpFinish } from './api';
import type { Ceremony, CeremonyAnswer, Me, Passkey } from './api';

/** Whether this browser has what it takes, on this address. */
export function passkeysWork(): boolean {
  return window.isSecureContext && typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;
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

type Answer = CeremonyAnswer['credential'];

// What the options hold is WebAuthn's, not the API's: to the description it is an object. Here it is only said which; the browser checks it.
async function get({ publicKey: json }: Ceremony['options']): Promise<Answer> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json as PublicKeyCredentialRequestOptionsJSON);
  const made = await prompt(() => navigator.credentials.get({ publicKey }));
  return { ...(made as PublicKeyCredential).toJSON() };
}

async function create({ publicKey: json }: Ceremony['options']): Promise<Answer> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json as PublicKeyCredentialCreationOptionsJSON);
  const made = await prompt(() => navigator.credentials.create({ publicKey }));
  return { ...(made as PublicKeyCredential).toJSON() };
}

/** Signs in with a passkey of this device, whoever it belongs to. */
export async function passkeySignIn(): Promise<Me> {
  const { ceremony, options } = await ask(browserPasskey());
  return ask(browserPasskeyFinish({ body: { ceremony, credential: await get(options) } }));
}

/** Makes a new passkey for who is signed in; the first one takes the password. */
export async function addPasskey(label: string, current?: string): Promise<Passkey> {
  const { ceremony, options } = await ask(passkeyRegister({ body: { current } }));
  return ask(passkeyEnrol({ body: { ceremony, label, credential: await create(options) } }));
}

/** Proves afresh who sits here: good for five minutes of approving. */
export async function proveAfresh(): Promise<void> {
  const { ceremony, options } = await ask(stepUp());
  await ask(stepUpFinish({ body: { ceremony, credential: await get(options) } }));
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
