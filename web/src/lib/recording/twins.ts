// A statement that takes long is told twice: while it runs, and when it is over, with the same time and text. Here the two find each other,
// whichever comes first.
import { runs, type Entry } from './entry';

/** Whoever took less than this, in µs, was not told while it ran: that is done after a second. */
const LONG = 500_000;

export class Twins {
  #running = new Map<number, Entry[]>();
  #over = new Map<number, Entry[]>();

  /** What is known of the same statement: an entry in whose place this one stands, `over` where its end came before; null when it is new. */
  meet(entry: Entry): Entry | 'over' | null {
    const same = (other: Entry) => other.text === entry.text;
    if (runs(entry.line) && this.#over.get(entry.at)?.some(same)) return 'over';
    const known = this.#running.get(entry.at)?.find(same) ?? null;
    if (known) drop(this.#running, known);
    if (runs(entry.line)) keep(this.#running, entry);
    else if ((entry.took ?? 0) >= LONG) keep(this.#over, entry);
    return known;
  }

  /** Forgets ends that came before entry number `first`. What still runs is waited for. */
  forget(first: number): void {
    for (const entries of [...this.#over.values()]) for (const entry of [...entries]) if (entry.n < first) drop(this.#over, entry);
  }
}

function keep(all: Map<number, Entry[]>, entry: Entry): void {
  const at = all.get(entry.at);
  if (at) at.push(entry);
  else all.set(entry.at, [entry]);
}

function drop(all: Map<number, Entry[]>, entry: Entry): void {
  const left = (all.get(entry.at) ?? []).filter((one) => one !== entry);
  if (left.length > 0) all.set(entry.at, left);
  else all.delete(entry.at);
}
