// The ledger's tree (RFC 6962, section 2.1, with SHA-256): that one event is in it, found out here and not by who says so.

/** Hashes as lower-case hexadecimal text. */
export type Hash = string;

/** Events `from` to, not including, `to`. */
export type Range = readonly [from: number, to: number];

/** One step on the way from a leaf to the root. */
export interface Step {
  /** The events below the node that the step starts at. */
  own: Range;
  /** The events below the node beside it. */
  beside: Range;
  /** On which side of the way it stands. */
  side: 'left' | 'right';
}

/** A step with its hashes. */
export interface Walked extends Step {
  /** What was reached before the step. */
  hash: Hash;
  /** What stands beside it: the proof says so. */
  sibling: Hash;
  /** The hash of both. */
  parent: Hash;
}

export type Walk = { ok: true; leaf: Hash; steps: Walked[]; root: Hash } | { ok: false; leaf: Hash; steps: Walked[]; words: string };

export function hex(bytes: Uint8Array): Hash {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The bytes of hexadecimal text; null when it isn't that. */
export function unhex(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null;
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', all));
}

/** `SHA-256(0x00 ‖ leaf)`. */
export async function leafHash(leaf: Uint8Array): Promise<Hash> {
  return hex(await sha256(Uint8Array.of(0), leaf));
}

/** `SHA-256(0x01 ‖ left ‖ right)`. */
async function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return sha256(Uint8Array.of(1), left, right);
}

/** The steps from leaf `index` to the root of a tree of `size` leaves, from the leaf upwards; null when there is no such leaf. */
export function way(index: number, size: number): Step[] | null {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return null;
  const steps: Step[] = [];
  let [low, high] = [0, size];
  while (high - low > 1) {
    // A tree is split at the largest power of two below its size. No shifts: sizes may have more than 32 bits.
    let half = 1;
    while (half * 2 < high - low) half *= 2;
    const middle = low + half;
    const [left, right]: [Range, Range] = [
      [low, middle],
      [middle, high],
    ];
    if (index < middle) {
      steps.push({ own: left, beside: right, side: 'right' });
      high = middle;
    } else {
      steps.push({ own: right, beside: left, side: 'left' });
      low = middle;
    }
  }
  return steps.reverse();
}

/** Hashes the event, and on from it with the proof's hashes: whether that leads to `root`. */
export async function walk(event: string, index: number, size: number, path: Hash[], root: Hash): Promise<Walk> {
  const leaf = await leafHash(new TextEncoder().encode(event));
  const walked: Walked[] = [];
  const no = (words: string): Walk => ({ ok: false, leaf, steps: walked, words });
  const steps = way(index, size);
  if (!steps) return no(`There is no event ${index} in a ledger of ${size}.`);
  if (steps.length !== path.length) return no(`The proof has ${path.length} hashes; event ${index} of ${size} takes ${steps.length}.`);
  let hash = leaf;
  for (const [at, step] of steps.entries()) {
    const [own, sibling] = [unhex(hash), unhex(path[at] ?? '')];
    if (!own || sibling?.length !== 32) return no(`Hash ${at + 1} of the proof is none.`);
    const parent = hex(step.side === 'left' ? await nodeHash(sibling, own) : await nodeHash(own, sibling));
    walked.push({ ...step, hash, sibling: hex(sibling), parent });
    hash = parent;
  }
  return hash === root ? { ok: true, leaf, steps: walked, root } : no('The hashes lead to another root: the event or the proof was changed.');
}

/** `event 3`, `events 0 to 3`. */
export function range([from, to]: Range): string {
  return to - from === 1 ? `event ${from}` : `events ${from} to ${to - 1}`;
}

/** A hash's beginning and end, for pictures. */
export function short(hash: Hash): string {
  return `${hash.slice(0, 6)}…${hash.slice(-4)}`;
}
