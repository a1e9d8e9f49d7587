// Something that is read from the server: what it is now, whether it is being read, what went wrong.
import { onDestroy } from 'svelte';
import { asRefused, type Refused } from './api';
import { live, type Change } from './live.svelte';

/** At most so often it is read again because something changed. */
const AT_LEAST = 400;

export class Loaded<T> {
  value: T | undefined = $state.raw(undefined);
  error: Refused | undefined = $state.raw(undefined);
  loading: boolean = $state(false);
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private read: () => Promise<T>) {}

  /** Reads it again. What was there stays shown until the answer comes; of several answers the latest question's counts. */
  async again(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const turn = ++this.#turn;
    this.loading = true;
    try {
      const value = await this.read();
      if (turn !== this.#turn) return;
      this.value = value;
      this.error = undefined;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = asRefused(error);
      if (this.error.offline) this.#timer = setTimeout(() => void this.again(), 5_000);
    }
    this.loading = false;
  }

  /** Reads it again soon: many changes at once are one reading. */
  soon(): void {
    this.#timer ??= setTimeout(() => void this.again(), AT_LEAST);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#turn++;
  }
}

/**
 * Reads something now, again whenever what `read` looks at (runes, before its first await) differs, and when `concerns` says that a change
 * concerns it. To be called while a component is made.
 */
export function load<T>(read: () => Promise<T>, concerns: (change: Change) => boolean = () => false): Loaded<T> {
  const loaded = new Loaded(read);
  $effect(() => {
    void loaded.again();
  });
  const unlisten = live.listen((change) => {
    if (change.what === 'everything' || concerns(change)) loaded.soon();
  });
  onDestroy(() => {
    unlisten();
    loaded.stop();
  });
  return loaded;
}
