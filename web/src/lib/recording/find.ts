// Text that is looked for, in what is shown: always in the inert form, as it is read.
import { line } from '../text';
import { runs, type Entry } from './entry';
import type { Printed } from './transcript';

/** What is shown of an entry on one line; longer ones go on when it is opened. */
export function oneLine(text: string, most = 400): string {
  const cut = text.length > most * 2 ? text.slice(0, most * 2) : text;
  const words = line(cut);
  return words.length > most || cut.length < text.length ? `${words.slice(0, most)}…` : words;
}

export interface Part {
  text: string;
  hit: boolean;
}

/** Cuts a text into what is looked for and what is between. */
export function parts(text: string, wanted: string): Part[] {
  const needle = wanted.toLowerCase();
  const hay = text.toLowerCase();
  // Some characters have another length in lower case: then nothing is marked rather than the wrong thing.
  if (needle === '' || hay.length !== text.length) return [{ text, hit: false }];
  const found: Part[] = [];
  let from = 0;
  for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, from)) {
    if (at > from) found.push({ text: text.slice(from, at), hit: false });
    found.push({ text: text.slice(at, at + needle.length), hit: true });
    from = at + needle.length;
  }
  if (from < text.length) found.push({ text: text.slice(from), hit: false });
  return found;
}

/** Whether an entry holds a text: spaces and line breaks are one space. */
function holds(entry: Entry, needle: string): boolean {
  const is = (text: string) => line(text).toLowerCase().includes(needle);
  return is(entry.text) || is(entry.result) || entry.label.toLowerCase().includes(needle);
}

/** Whether an entry is of a group; of what `failed`; of everything when that is empty. */
function isOf(entry: Entry, only: string): boolean {
  return only === '' || (only === 'failed' ? entry.tone === 'bad' : entry.groups.includes(only));
}

export function shown(entries: readonly Entry[], only: string): readonly Entry[] {
  return only === '' ? entries : entries.filter((entry) => isOf(entry, only));
}

/** Looks for a text in entries; in those only once that it has seen, unless they were running then. */
export class Finder {
  #wanted = '';
  #only = '';
  #next = 0;
  #found: number[] = [];
  #running: Entry[] = [];

  /** Numbers of the entries that hold it, of a group. `lost`: the number of the first. */
  find(entries: readonly Entry[], lost: number, wanted: string, only: string): readonly number[] {
    const needle = line(wanted).toLowerCase();
    if (needle !== this.#wanted || only !== this.#only || this.#next > lost + entries.length) {
      [this.#wanted, this.#only, this.#next, this.#found, this.#running] = [needle, only, 0, [], []];
    }
    if (needle === '') return [];
    this.#again(entries, lost);
    for (const entry of entries.slice(Math.max(0, this.#next - lost))) {
      if (isOf(entry, only) && holds(entry, needle)) this.#found.push(entry.n);
      if (runs(entry.line)) this.#running.push(entry);
    }
    this.#next = lost + entries.length;
    if ((this.#found[0] ?? lost) < lost) this.#found = this.#found.filter((n) => n >= lost);
    return this.#found;
  }

  /** Looks once more at what was running: something else may stand in its place. */
  #again(entries: readonly Entry[], lost: number): void {
    const changed = this.#running.filter((entry) => entries[entry.n - lost] !== entry);
    if (changed.length === 0) return;
    const places = new Set(changed.map(({ n }) => n));
    const now = [...places].flatMap((n) => entries[n - lost] ?? []);
    this.#running = [...this.#running.filter(({ n }) => !places.has(n)), ...now.filter(({ line }) => runs(line))];
    const found = now.filter((entry) => isOf(entry, this.#only) && holds(entry, this.#wanted)).map(({ n }) => n);
    this.#found = [...this.#found.filter((n) => !places.has(n)), ...found].sort((a, b) => a - b);
  }
}

/** Places among a terminal's lines of those that hold a text. */
export function printedHits(lines: readonly Printed[], wanted: string): number[] {
  const needle = line(wanted).toLowerCase();
  if (needle === '') return [];
  const found: number[] = [];
  lines.forEach(({ text }, at) => {
    if (line(text).toLowerCase().includes(needle)) found.push(at);
  });
  return found;
}

/** Of ascending places the next one after (or the last one before) `from`; around the end. */
export function beside(places: readonly number[], from: number, forwards: boolean): number | undefined {
  if (forwards) return places.find((place) => place > from) ?? places[0];
  return places.findLast((place) => place < from) ?? places.at(-1);
}

/** The place of the first thing whose value is not below `least`, of things in the order of that value. */
export function firstFrom<T>(things: readonly T[], value: (thing: T) => number, least: number): number {
  let [from, to] = [0, things.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (value(things[middle]!) < least) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The place of the entry that is nearest to a time: links have it rounded. -1 when there are no entries. */
export function placeAt(entries: readonly Entry[], micros: number): number {
  const after = firstFrom(entries, ({ at }) => at, micros);
  const far = (place: number) => Math.abs((entries[place]?.at ?? Infinity) - micros);
  return after > 0 && far(after - 1) < far(after) ? after - 1 : Math.min(after, entries.length - 1);
}

