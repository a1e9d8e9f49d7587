// A terminal's recording, played: which frame at which time. It knows no clock and no screen; it is told how much time has passed, and tells a
// screen what to show.

export type Frame = { at: number; text: string } | { at: number; cols: number; rows: number };

/** Where it is shown. */
export interface Screen {
  reset(cols: number, rows: number): void;
  resize(cols: number, rows: number): void;
  output(text: string): void;
}

/** A client that doesn't know its terminal's size says 0; what nobody has is not believed. */
export function believed(cols: number, rows: number): [number, number] {
  const size = (n: number, usual: number) => (n >= 1 ? Math.min(Math.floor(n), 1_000) : usual);
  return [size(cols, 80), size(rows, 24)];
}

/** Microseconds that a wait takes when waits are skipped. */
const LONG_ENOUGH = 1_000_000;

export class Playback {
  /** In microseconds from the session's start. */
  at: number;
  playing = false;
  /** Shows what comes as it comes. */
  following = false;
  speed = 1;
  skipping = true;
  #next = 0;

  constructor(
    readonly frames: Frame[],
    readonly size: [number, number],
    readonly begin: number,
    private screen: Screen,
  ) {
    this.at = begin;
    screen.reset(...size);
  }

  /** Another screen, which shows nothing yet. */
  showOn(screen: Screen): void {
    this.screen = screen;
    const at = this.at;
    this.#rewind();
    this.#showUntil(at);
  }

  /** Where it ends, as far as it is known: nothing before the last frame. */
  get last(): number {
    return this.frames.at(-1)?.at ?? this.begin;
  }

  play(end: number): void {
    if (this.at >= end) this.seek(this.begin);
    this.following = false;
    this.playing = true;
  }

  pause(): void {
    this.playing = false;
    this.following = false;
  }

  follow(): void {
    this.playing = false;
    this.following = true;
    this.#showUntil(this.last);
  }

  /** Frames have come. */
  grown(): void {
    if (this.following) this.#showUntil(this.last);
  }

  /** So many of the oldest frames were forgotten. */
  forgotten(frames: number): void {
    this.#next = Math.max(0, this.#next - frames);
  }

  /** So much time has passed; at `end` it stops. */
  tick(micros: number, end: number): void {
    if (!this.playing) return;
    let to = this.at + micros * this.speed;
    const next = Math.min(this.frames[this.#next]?.at ?? end, end);
    if (this.skipping && next - to > LONG_ENOUGH * this.speed) to = next - LONG_ENOUGH * this.speed;
    this.#showUntil(Math.min(to, end));
    if (this.at >= end) this.playing = false;
  }

  /** Goes to a time. Back is from the beginning again. */
  seek(to: number): void {
    this.following = false;
    if (to < this.at) this.#rewind();
    this.#showUntil(Math.max(to, this.begin));
  }

  /** Shows the next frame. */
  step(): void {
    const next = this.frames[this.#next];
    if (next) this.seek(next.at);
  }

  #rewind(): void {
    this.#next = 0;
    this.at = this.begin;
    this.screen.reset(...this.size);
  }

  #showUntil(to: number): void {
    let text = '';
    const flush = () => {
      if (text !== '') this.screen.output(text);
      text = '';
    };
    for (let frame = this.frames[this.#next]; frame && frame.at <= to; frame = this.frames[this.#next]) {
      this.#next += 1;
      if ('text' in frame) text += frame.text;
      else {
        flush();
        this.screen.resize(frame.cols, frame.rows);
      }
    }
    flush();
    this.at = Math.max(this.at, to);
  }
}
