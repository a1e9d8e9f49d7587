// A recording as it is read: what happened as a list, each terminal by itself, and what it came to. Its memory has a bound.
import { entry, type Entry } from './entry';
import { number, parse, text, type Line } from './lines';
import { believed, type Frame } from './playback';
import { Summary } from './summary';
import { Transcript } from './transcript';
import { Twins } from './twins';
import { inert, unsteered } from '../text';

/** The first line: whose recording it is. */
export interface Head {
  session: string;
  protocol: string;
  request: string | undefined;
  grant: string | undefined;
  started: string;
}

/** A channel with a terminal. */
export interface Terminal {
  ch: number;
  /** `shell`, or what was run in it. */
  what: string;
  opened: number;
  /** When it was closed; null while it is open. */
  ended: number | null;
  how: string;
  size: [number, number];
  frames: Frame[];
  /** Frames that were forgotten. */
  lost: number;
  /** What was sent but not recorded, in bytes. */
  unrecorded: number;
  transcript: Transcript;
}

/** Text that is kept, in characters, unless said. */
const KEPT = 64 * 1024 * 1024;
/** So many entries are kept. A browser draws no list that is much longer. */
const ENTRIES = 250_000;
/** Output of a channel without a terminal is one entry up to here. */
const TOGETHER = 16 * 1024;

type Way = { decoder: TextDecoder; entry: Entry | undefined };

export class Model {
  head: Head | null = null;
  /** What happened, in order; the first is number `lost`. */
  readonly entries: Entry[] = [];
  /** Entries that were forgotten. */
  lost = 0;
  readonly terminals: Terminal[] = [];
  readonly summary = new Summary();
  /** The latest time that something came, in microseconds. */
  until = 0;
  #size = 0;
  #ways = new Map<string, Way>();
  #sizes = new WeakMap<Entry, number>();
  #twins = new Twins();

  constructor(
    private most = KEPT,
    private mostEntries = ENTRIES,
  ) {}

  /** Whether it holds as much as it may: a recording that is over is read no further, of one that grows the oldest is forgotten. */
  get full(): boolean {
    return this.#size > this.most || this.entries.length > this.mostEntries;
  }

  /** Takes the next line. */
  line(words: string): void {
    const line = parse(words);
    if (!line) return this.#put({ kind: 'cut off', t: this.until, text: words }, words.length);
    if (!this.head && text(line, 'format')?.startsWith('ajar-recording/')) {
      const [session, protocol, started] = ['session', 'protocol', 'started'].map((field) => text(line, field) ?? '');
      this.head = { session: session!, protocol: protocol!, started: started!, request: text(line, 'request'), grant: text(line, 'grant') };
      return;
    }
    const at = number(line, 't');
    this.until = Math.max(this.until, at + (this.head?.protocol === 'ssh' ? 0 : number(line, 'd')));
    if (this.head?.protocol === 'ssh') this.#event(at, line, words.length);
    else this.#put(line, words.length);
  }

  /** Forgets the oldest quarter. */
  forget(): void {
    const aim = this.#size * 0.75;
    for (const terminal of this.terminals) {
      const keep = Math.floor(terminal.frames.length * 0.75);
      const gone = terminal.frames.splice(0, terminal.frames.length - keep);
      terminal.lost += gone.length;
      for (const frame of gone) this.#size -= 'text' in frame ? frame.text.length : 0;
    }
    let gone = Math.max(0, this.entries.length - Math.floor(this.mostEntries * 0.75));
    for (let n = 0; n < gone; n++) this.#size -= this.#sizeOf(this.entries[n]);
    while (this.#size > aim && gone < this.entries.length) this.#size -= this.#sizeOf(this.entries[gone++]);
    this.entries.splice(0, gone);
    this.lost += gone;
    this.#twins.forget(this.lost);
  }

  terminal(ch: number): Terminal | undefined {
    return this.terminals.find((terminal) => terminal.ch === ch);
  }

  #sizeOf(entry: Entry | undefined): number {
    return (entry && this.#sizes.get(entry)) ?? 0;
  }

  #put(line: Line, size: number, shell = false): void {
    const made = entry(this.lost + this.entries.length, line, shell);
    const known = this.#twins.meet(made);
    if (known === 'over') return;
    if (known) this.summary.over(known);
    if (known && known.n >= this.lost) {
      made.n = known.n;
      this.entries[made.n - this.lost] = made;
      this.#size -= this.#sizeOf(known);
    } else this.entries.push(made);
    // What objects take beside their text.
    this.#grow(made, size + 200);
    this.summary.add(made);
  }

  #grow(entry: Entry, by: number): void {
    this.#size += by;
    this.#sizes.set(entry, this.#sizeOf(entry) + by);
  }

  #event(at: number, line: Line, size: number): void {
    const ch = typeof line.ch === 'number' ? line.ch : null;
    const kind = text(line, 'kind') ?? '';
    const terminal = ch === null ? undefined : this.terminal(ch);
    if (kind === 'out' || kind === 'err' || kind === 'in') {
      const way = this.#way(ch ?? 0, kind);
      const piece = way.decoder.decode(data(line), { stream: true });
      if (piece === '') return;
      if (terminal && kind !== 'in') return this.#show(terminal, { at, text: piece });
      return this.#output(way, at, ch ?? 0, kind, piece);
    }
    // Something else on its channel: what comes after is another piece of output.
    for (const way of ['out', 'err', 'in']) {
      const known = this.#ways.get(`${ch ?? 0} ${way}`);
      if (known) known.entry = undefined;
    }
    if (kind === 'resize') {
      const [cols, rows] = believed(number(line, 'cols'), number(line, 'rows'));
      if (terminal) {
        terminal.frames.push({ at, cols, rows });
        terminal.transcript.resize(cols, rows);
      }
      return;
    }
    if (kind === 'open' && typeof line.term === 'string' && ch !== null) this.#open(at, ch, line);
    if (kind === 'said') {
      const words = (text(line, 'text') ?? '').split('\n').map(inert).join('\r\n');
      const told = ch === null ? this.terminals.filter((one) => one.ended === null) : [terminal];
      for (const one of told) if (one) this.#show(one, { at, text: `\r\n${words}\r\n` });
    }
    this.#put(line, size, terminal !== undefined);
    if (kind === 'close' && terminal) {
      terminal.ended = at;
      terminal.how = this.entries.at(-1)?.result ?? '';
      terminal.unrecorded = number(line, 'unrecorded');
      terminal.transcript.settle();
    }
  }

  #open(at: number, ch: number, line: Line): void {
    const size = believed(number(line, 'cols'), number(line, 'rows'));
    const what = text(line, 'command') ?? text(line, 'what') ?? 'terminal';
    const transcript = new Transcript(...size);
    this.terminals.push({ ch, what, opened: at, ended: null, how: '', size, frames: [], lost: 0, unrecorded: 0, transcript });
  }

  /** INVARIANT W2: only what is printed gets through; what steers a reader's eye is replaced. Sequences stay inside the virtual terminal. */
  #show(terminal: Terminal, frame: { at: number; text: string }): void {
    frame.text = unsteered(frame.text);
    terminal.frames.push(frame);
    terminal.transcript.push(frame.at, frame.text);
    this.#size += frame.text.length + 50;
  }

  #way(ch: number, way: string): Way {
    const key = `${ch} ${way}`;
    let known = this.#ways.get(key);
    if (!known) this.#ways.set(key, (known = { decoder: new TextDecoder(), entry: undefined }));
    return known;
  }

  #output(way: Way, at: number, ch: number, kind: string, piece: string): void {
    const going = way.entry;
    if (going && going.n >= this.lost && going.text.length + piece.length <= TOGETHER) {
      going.text += piece;
      going.took = at - going.at;
      this.#grow(going, piece.length);
      return;
    }
    this.#put({ t: at, ch, kind: OUTPUTS[kind]!, text: piece }, piece.length);
    way.entry = this.entries.at(-1);
  }
}

const OUTPUTS: Record<string, string> = { out: 'output', err: 'error output', in: 'input' };

/** The bytes of a piece that went through a channel. */
function data(line: Line): Uint8Array {
  const plain = text(line, 'data');
  if (plain !== undefined) return new TextEncoder().encode(plain);
  try {
    return Uint8Array.from(atob(text(line, 'b64') ?? ''), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
