// What changes, as it changes; and whether we would hear of it.
import { address, type Change, type EventsData } from './api';

export type { Change };

type Listener = (change: Change) => void;

class Live {
  /** `open`: changes come by themselves. `lost`: what is shown may be old. */
  state: 'closed' | 'connecting' | 'open' | 'lost' = $state('closed');
  #source: EventSource | null = null;
  #listeners = new Set<Listener>();
  #again: ReturnType<typeof setTimeout> | undefined;
  #wait = 1_000;

  constructor() {
    // A connection that is cut off says nothing for minutes: the browser may know sooner.
    addEventListener('offline', () => {
      if (this.state !== 'closed') this.state = 'lost';
    });
    addEventListener('online', () => {
      if (this.state !== 'lost') return;
      this.#source?.close();
      clearTimeout(this.#again);
      this.#connect();
    });
  }

  open(): void {
    this.close();
    this.state = 'connecting';
    this.#connect();
  }

  close(): void {
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = null;
    this.state = 'closed';
  }

  #connect(): void {
    const source = new EventSource(address<EventsData>({ url: '/api/v1/events' }));
    this.#source = source;
    source.addEventListener('open', () => {
      const back = this.state === 'lost';
      this.state = 'open';
      this.#wait = 1_000;
      // What came meanwhile was not heard: everything is read again.
      if (back) this.#tell({ what: 'everything', id: '', kind: '' });
    });
    source.addEventListener('change', (event) => {
      try {
        this.#tell(JSON.parse(event.data) as Change);
      } catch {
        // Not ours to understand: the next one will do.
      }
    });
    source.addEventListener('error', () => {
      this.state = 'lost';
      // The browser tries again by itself while it is CONNECTING; a refusal closes it for good.
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.#again);
      this.#again = setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, 30_000);
    });
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** Calls `listener` at each change, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export const live = new Live();
