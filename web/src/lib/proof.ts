// A proof that one event is in the ledger, checked in this browser: each thing that it says, by itself.
import type { LedgerProof } from './api';
import { parseLeaf } from './leaf';
import { walk, type Walk } from './merkle';
import { checkpoint, signedBy } from './note';

export interface Check {
  state: 'good' | 'bad' | 'unknown';
  words: string;
}

export interface Checked {
  walk: Walk;
  checks: Check[];
  /** Whether everything holds that could be looked at. */
  ok: boolean;
}

/** Whether this browser can: WebCrypto is there on https and on localhost only. */
export function canCheck(): boolean {
  return typeof crypto !== 'undefined' && crypto.subtle !== undefined;
}

/** Checks a proof as the one of event `wanted`: a proof of another event proves nothing of it, however well it holds. */
export async function check(proof: LedgerProof, wanted: number): Promise<Checked> {
  const way = await walk(proof.event, proof.seq, proof.size, proof.path, proof.root);
  const note = checkpoint(proof.checkpoint);
  const signed = await signedBy(proof.checkpoint, proof.key);
  const checks: Check[] = [
    is(proof.seq === wanted, `The proof is of event ${wanted}, which you asked for.`, `You asked for event ${wanted}: the proof is of event ${proof.seq}.`),
    is(says(proof), `The text is event ${proof.seq}, ${proof.kind}.`, 'The text is of another event than the proof says.'),
    is(way.leaf === proof.leaf_hash, 'Its hash is the leaf that the proof names.', 'Its hash is not the leaf that the proof names: it was changed.'),
    is(way.ok, `${steps(way.steps.length)} lead from it to the root.`, way.ok ? '' : way.words),
    is(
      note?.size === proof.size && note.root === proof.root,
      `The checkpoint names this root, over ${proof.size} events.`,
      'The checkpoint names another root or size.',
    ),
    signed === 'unable'
      ? { state: 'unknown', words: 'This browser can’t check Ed25519 signatures; the command below does.' }
      : is(signed === 'yes', 'The key has signed the checkpoint.', 'The key has not signed the checkpoint.'),
  ];
  return { walk: way, checks, ok: checks.every(({ state }) => state !== 'bad') };
}

function is(good: boolean, yes: string, no: string): Check {
  return good ? { state: 'good', words: yes } : { state: 'bad', words: no };
}

const steps = (count: number) => (count === 1 ? 'One hash' : `${count} hashes`);

function says({ seq, kind, at, event }: LedgerProof): boolean {
  const leaf = parseLeaf(event);
  return leaf?.seq === seq && leaf.kind === kind && leaf.at === at;
}
