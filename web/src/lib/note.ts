// Signed notes (C2SP signed-note and tlog-checkpoint): what the ledger's key has signed, checked with WebCrypto.
import { hex } from './merkle';

export interface Checkpoint {
  origin: string;
  size: number;
  /** Hexadecimal. */
  root: string;
}

/** `yes`, `no`, or `unable` where this browser can't check Ed25519. */
export type Signed = 'yes' | 'no' | 'unable';

function bytes(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

/** What a note's first three lines say; null when it isn't a checkpoint. */
export function checkpoint(note: string): Checkpoint | null {
  const [origin, size, root] = note.split('\n');
  const hash = bytes(root ?? '');
  if (!origin || !/^(0|[1-9]\d*)$/.test(size ?? '') || hash?.length !== 32) return null;
  return { origin, size: Number(size), root: hex(hash) };
}

/** The public key in `name+id+base64(0x01 ‖ key)`; null when it is none, or when its id isn't its own. */
async function parseKey(key: string): Promise<{ name: string; id: string; key: Uint8Array<ArrayBuffer> } | null> {
  const [, name, id, text] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(key.trim()) ?? [];
  const typed = bytes(text ?? '');
  if (!name || !id || typed?.length !== 33 || typed[0] !== 1) return null;
  const named = new Uint8Array([...new TextEncoder().encode(`${name}\n`), ...typed]);
  const own = hex(new Uint8Array(await crypto.subtle.digest('SHA-256', named)).slice(0, 4));
  return own === id ? { name, id, key: typed.slice(1) } : null;
}

/** Whether `key` has signed the note, as the log of its own name. */
export async function signedBy(note: string, key: string): Promise<Signed> {
  const parsed = await parseKey(key);
  const end = note.indexOf('\n\n');
  if (!parsed || end < 0) return 'no';
  const text = note.slice(0, end + 1);
  if (text.split('\n')[0] !== parsed.name) return 'no';
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey('raw', parsed.key, 'Ed25519', false, ['verify']);
  } catch {
    return 'unable';
  }
  for (const line of note.slice(end + 2).split('\n')) {
    const [dash, name, base64] = line.split(' ');
    const signature = bytes(base64 ?? '');
    if (dash !== '—' || name !== parsed.name || signature?.length !== 68 || hex(signature.slice(0, 4)) !== parsed.id) continue;
    const good = await crypto.subtle.verify('Ed25519', imported, signature.slice(4), new TextEncoder().encode(text));
    if (good) return 'yes';
  }
  return 'no';
}
