// What a session came to: what was read, changed and transferred. Kept up entry by entry.
import { bytes, count } from './figures';
import { changes, runs, tags, type Entry, type Tone } from './entry';
import { number, object, text } from './lines';

export interface Group {
  name: string;
  count: number;
  tone: Tone;
}

/** A file that went through, once for each direction. */
export interface Moved {
  path: string;
  way: 'read' | 'written';
  size: number;
  /** Of the whole file; absent when it did not go through whole, or not in order. */
  sha256: string | undefined;
  ok: boolean;
  /** The entry. */
  n: number;
}

/** More files than this are only counted. */
const FILES = 1_000;

export class Summary {
  readonly files: Moved[] = [];
  /** Files that are not in the list. */
  more = 0;
  failed = 0;
  /** Statements that run still. They come to nothing yet. */
  running = 0;
  #groups = new Map<string, Group>();
  #sums = { read: 0, changed: 0, sent: 0, copiedIn: 0, copiedOut: 0, bodiesIn: 0, bodiesOut: 0, filesIn: 0, filesOut: 0, in: 0, out: 0 };

  add(entry: Entry): void {
    const { line, tone } = entry;
    if (runs(line)) {
      this.running += 1;
      return;
    }
    if (tone === 'bad') this.failed += 1;
    for (const name of entry.groups) {
      const group = this.#groups.get(name);
      if (!group) this.#groups.set(name, { name, count: 1, tone });
      else {
        group.count += 1;
        if (tone === 'bad' || group.tone === 'plain') group.tone = tone;
      }
    }
    const sums = this.#sums;
    if (tags(line).length > 0) sums[tags(line).some((tag) => changes(tag, line)) ? 'changed' : 'read'] += number(line, 'rows');
    sums.sent += number(line, 'row_bytes');
    sums.copiedIn += number(object(line, 'copy_in') ?? {}, 'bytes');
    sums.copiedOut += number(object(line, 'copy_out') ?? {}, 'bytes');
    if (line.kind === 'request') {
      sums.bodiesIn += number(line, 'bytes_in');
      sums.bodiesOut += number(line, 'bytes_out');
    }
    if (line.kind === 'close') {
      sums.in += number(line, 'bytes_in');
      sums.out += number(line, 'bytes_out');
    }
    if (line.kind === 'file') this.#file(entry);
  }

  /** A statement that was added as running does so no more. */
  over(entry: Entry): void {
    if (runs(entry.line)) this.running -= 1;
  }

  #file({ n, line }: Entry): void {
    for (const way of ['read', 'written'] as const) {
      if (line[`bytes_${way}`] === undefined) continue;
      const size = number(line, `bytes_${way}`);
      this.#sums[way === 'read' ? 'filesOut' : 'filesIn'] += size;
      if (this.files.length >= FILES) this.more += 1;
      else this.files.push({ path: text(line, 'path') ?? '', way, size, sha256: text(line, `sha256_${way}`), ok: line.ok === true, n });
    }
  }

  /** The kinds of things that happened, the most frequent first. */
  groups(): Group[] {
    const running: Group[] = this.running > 0 ? [{ name: 'running', count: this.running, tone: 'quiet' }] : [];
    return [...this.#groups.values(), ...running].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  }

  /** The figures that there are: a name and a value each. */
  figures(): [string, string][] {
    const s = this.#sums;
    const all: [string, number, (n: number) => string][] = [
      ['Rows read', s.read, (n) => count(n, 'row')],
      ['Rows changed', s.changed, (n) => count(n, 'row')],
      ['Rows sent', s.sent, bytes],
      ['Copied in', s.copiedIn, bytes],
      ['Copied out', s.copiedOut, bytes],
      ['Request bodies', s.bodiesIn, bytes],
      ['Response bodies', s.bodiesOut, bytes],
      ['Files read', s.filesOut, bytes],
      ['Files written', s.filesIn, bytes],
      ['To the host', s.in, bytes],
      ['From the host', s.out, bytes],
    ];
    return all.filter(([, value]) => value > 0).map(([name, value, say]) => [name, say(value)]);
  }
}
