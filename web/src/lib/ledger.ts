// The ledger's routes.
import { ask, call, ledgerCheckpoint, ledgerSearch, search, type Found } from './api';
import { client } from '../api/client.gen';
import { leaves, type Leaf } from './leaf';
import type { Proof } from './proof';

export interface LedgerStatus {
  size: number;
  root: string;
  /** The last one that was signed. */
  checkpoint?: { size: number; at?: string | null; note: string } | null;
  verified?: Verified | null;
}

export interface Verified {
  at: string;
  size: number;
  ok: boolean;
  words: string;
  took_ms?: number;
}

export function ledgerStatus(): Promise<LedgerStatus> {
  return call('GET', 'ledger/status');
}

/** Reads all events again, and compares. It takes as long as it takes. */
export function ledgerVerify(): Promise<Verified> {
  return call('POST', 'ledger/verify', {});
}

export interface Leaves {
  items: Leaf[];
  /** The number that the next page is before. */
  next: string | null;
}

/** Events, newest first, as many as `limit` a page. `kind` is how kinds begin: `grant.` */
export async function ledgerLeaves(query: { kind?: string; text?: string }, before?: string, limit = 50): Promise<Leaves> {
  const answer = await ask(ledgerSearch({ query: { ...query, limit, ...(before ? { before: Number(before) } : {}) }, parseAs: 'text' }));
  const items = leaves(String(answer));
  const oldest = items.at(-1)?.seq ?? 0;
  return { items, next: items.length === limit && oldest > 0 ? String(oldest) : null };
}

/** The proof of one event, and the file's exact text: `ajar ledger prove` takes it as it came. */
export async function ledgerProof(seq: string): Promise<{ proof: Proof; text: string }> {
  const url = `/api/v1/ledger/events/${encodeURIComponent(seq)}/proof`;
  const text = await ask<string>(client.get({ url, parseAs: 'text' }) as never);
  return { proof: JSON.parse(text) as Proof, text };
}

/** Signs the ledger as it is now. */
export async function ledgerSign(): Promise<string> {
  return String(await ask(ledgerCheckpoint({ parseAs: 'text' })));
}

/** What events say in words, by their numbers: as far as a search over their time tells. */
export async function ledgerWords(items: Pick<Leaf, 'seq' | 'at'>[]): Promise<Map<number, Found>> {
  const times = items.map(({ at }) => new Date(at).getTime());
  const words = new Map<number, Found>();
  if (items.length === 0) return words;
  const [from, to] = [Math.min(...times), Math.max(...times) + 1].map((ms) => new Date(ms).toISOString());
  try {
    const wanted = new Set(items.map(({ seq }) => seq));
    const page = await ask(search({ query: { in: 'events', from, to, limit: 200 } }));
    for (const found of page.items) if (typeof found.seq === 'number' && wanted.has(found.seq)) words.set(found.seq, found);
  } catch {
    // The events themselves are there: their words are an addition.
  }
  return words;
}
