// Reading the ledger, where its spelling counts: events and proofs as they are, letter by letter.
import { ask, askText, ledgerProof, ledgerSearch, search, type Found, type LedgerProof } from './api';
import { leaves, type Leaf } from './leaf';

export interface Leaves {
  items: Leaf[];
  /** The number that the next page is before. */
  next: string | null;
}

/** Events, newest first, as many as `limit` a page. `kind` is how kinds begin: `grant.` */
export async function ledgerLeaves(query: { kind?: string; text?: string }, before?: string, limit = 50): Promise<Leaves> {
  const items = leaves(await askText(ledgerSearch({ query: { ...query, limit, before: before ? Number(before) : undefined }, parseAs: 'text' })));
  const oldest = items.at(-1)?.seq ?? 0;
  return { items, next: items.length === limit && oldest > 0 ? String(oldest) : null };
}

/** The proof of one event, and the file's exact text: `ajar ledger prove` takes it as it came. */
export async function proofOf(seq: number): Promise<{ proof: LedgerProof; text: string }> {
  const text = await askText(ledgerProof({ path: { seq }, parseAs: 'text' }));
  return { proof: JSON.parse(text) as LedgerProof, text };
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
