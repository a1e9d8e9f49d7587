// A recording, read over the network: at once when it is over, as it grows while its session lives.
import { ask, asRefused, Refused, sessionRecording, sessionWatch } from '../api';
import { Lines } from './lines';
import { Model } from './model';

/** How long after a break it is read anew, in milliseconds. */
const AGAIN = 3_000;

export type Reading = 'begin' | 'reading' | 'live' | 'done' | 'lost' | 'refused';

export class Stream {
  model = $state.raw(new Model());
  /** Grows whenever the model has changed: whoever shows it reads this. */
  version = $state(0);
  state: Reading = $state('begin');
  error: Refused | undefined = $state.raw(undefined);
  /** It is longer than what is kept: only its beginning is here, or (of a live one) its end. */
  cut = $state(false);
  #stop: AbortController | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  #drawing = 0;

  constructor(
    readonly id: string,
    /** Whether the session goes on. */
    private live: boolean,
  ) {}

  begin(): void {
    this.end();
    const stop = new AbortController();
    this.#stop = stop;
    this.state = 'reading';
    this.error = undefined;
    this.cut = false;
    void this.#read(stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      this.#changed();
      this.error = asRefused(error);
      this.state = this.error.offline ? 'lost' : 'refused';
      if (this.error.offline) this.#again = setTimeout(() => this.begin(), AGAIN);
    });
  }

  end(): void {
    clearTimeout(this.#again);
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    this.#stop?.abort();
    this.#stop = null;
  }

  async #read(signal: AbortSignal): Promise<void> {
    const of = { path: { id: this.id }, signal, parseAs: 'stream' } as const;
    const body = await (this.live ? ask(sessionWatch(of)) : ask(sessionRecording(of)));
    if (!(body instanceof ReadableStream)) throw broken();
    const model = new Model();
    this.model = model;
    const lines = new Lines();
    const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
    for (;;) {
      const { done, value } = await piece(reader);
      if (signal.aborted) return;
      if (done) break;
      for (const line of lines.push(value)) model.line(line);
      if (model.full) {
        this.cut = true;
        if (!this.live) return this.#finish();
        model.forget();
      }
      if (this.live) this.state = 'live';
      this.#changed();
    }
    const rest = lines.rest();
    if (rest !== '') model.line(rest);
    this.#finish();
  }

  #finish(): void {
    this.#stop?.abort();
    for (const terminal of this.model.terminals) terminal.transcript.settle();
    this.state = 'done';
    this.version += 1;
  }

  /** At most once for each picture that the browser draws. */
  #changed(): void {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.version += 1;
    });
  }
}

/** What comes next; an answer that breaks off is a network that is gone. */
async function piece(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch {
    throw broken();
  }
}

function broken(): Refused {
  return new Refused(0, 'offline', 'The recording broke off.', null, 'It is read again as soon as the server answers.');
}
