// A list that comes page by page: the first one by itself, more when asked for.
import { asRefused, type Refused } from './api';
import { load, type Loaded } from './load.svelte';

interface Answer {
  items: unknown[];
  next?: string | null;
}

export class Paged<A extends Answer> {
  readonly first: Loaded<A>;
  /** While further pages are read. */
  busy: boolean = $state(false);
  /** Why the last further page could not be read. */
  failed: Refused | undefined = $state.raw(undefined);
  // Further pages belong to the first one that they were asked for after: another first page makes them void.
  #rest: { of: A | undefined; pages: A[] } = $state.raw({ of: undefined, pages: [] });

  readonly pages: A[] = $derived.by(() => {
    const first = this.first.value;
    return first === undefined ? [] : this.#rest.of === first ? [first, ...this.#rest.pages] : [first];
  });
  readonly items: A['items'][number][] = $derived(this.pages.flatMap((page) => page.items));
  readonly last: A | undefined = $derived(this.pages.at(-1));
  readonly next: string | undefined = $derived(this.last?.next ?? undefined);

  constructor(private read: (before?: string) => Promise<A>) {
    this.first = load(() => read());
  }

  /** Reads the next page. */
  async more(): Promise<void> {
    const [of, before] = [this.first.value, this.next];
    if (before === undefined || this.busy) return;
    this.busy = true;
    this.failed = undefined;
    try {
      const page = await this.read(before);
      if (this.first.value === of) this.#rest = { of, pages: [...this.pages.slice(1), page] };
    } catch (error) {
      this.failed = asRefused(error);
    }
    this.busy = false;
  }
}

/** To be called while a component is made. `read` is given the cursor; what it looks at (runes, before its first await) begins the list anew. */
export function paged<A extends Answer>(read: (before?: string) => Promise<A>): Paged<A> {
  return new Paged(read);
}
