// Where a text has what somebody looked for.
import { line } from './text';

export interface Piece {
  text: string;
  hit: boolean;
}

/** The text on one line, inert, in pieces; those that are `q`, or else one of its words, are hits. Case doesn't matter. */
export function pieces(text: string, q: string | null | undefined): Piece[] {
  const shown = line(text);
  const wanted = line(q ?? '');
  const escaped = (part: string) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const find = (pattern: string) => (pattern ? [...shown.matchAll(new RegExp(pattern, 'giu'))] : []);
  let found = find(escaped(wanted));
  if (found.length === 0) {
    // The longest first: of `order` and `orders`, the longer is marked as a whole.
    const words = wanted.split(' ').filter((word) => word.length > 1);
    found = find(words.sort((a, b) => b.length - a.length).map(escaped).join('|'));
  }
  const all: Piece[] = [];
  let from = 0;
  for (const { index, 0: hit } of found) {
    if (index > from) all.push({ text: shown.slice(from, index), hit: false });
    all.push({ text: hit, hit: true });
    from = index + hit.length;
  }
  if (from < shown.length) all.push({ text: shown.slice(from), hit: false });
  return all;
}
