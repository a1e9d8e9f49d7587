// A recording, read over the network: at once when it is over, as it grows while its session lives.
import { asRefused, base, Refused, type Problem } from '../api';
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
    const way = this.live ? 'watch' : 'recording';
    const response = await reach(() => fetch(`${base}api/v1/sessions/${encodeURIComponent(this.id)}/${way}`, { signal, headers: { 'ajar-web': '1' } }));
    if (!response.ok || !response.body) throw await refusal(response);
    const model = new Model();
    this.model = model;
    const lines = new Lines();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reach(() => reader.read());
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

/** No answer, or one that breaks off, is a network that is gone. */
async function reach<T>(what: () => Promise<T>): Promise<T> {
  try {
    return await what();
  } catch {
    throw new Refused(0, 'offline', 'The recording broke off.', null, 'It is read again as soon as the server answers.');
  }
}

async function refusal(response: Response): Promise<Refused> {
  const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const title = problem.title ?? `The server answered ${response.status}.`;
  return new Refused(response.status, 'recording', title, problem.detail ?? null, problem.hint ?? null);
}
