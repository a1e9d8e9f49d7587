// Requests as a list that grows at both ends: older ones when somebody wants them, new ones by themselves.
import { onDestroy, untrack } from 'svelte';
import { ask, asRefused, requestList, requestShow, type Refused, type Request } from './api';
import { fits, merge, refreshed, within, type Filter } from './listing';
import { live, type Change } from './live.svelte';

const FIRST = 50;
const OLDER = 100;
/** What the server gives at once at the most. */
const MOST = 500;
/** Changes within this time are looked at together. */
const TOGETHER = 400;
/** So many changed ones are read one by one; more are read as a page. */
const SINGLY = 10;

export class RequestList {
  items: Request[] | undefined = $state.raw(undefined);
  /** New ones that are not shown yet. */
  fresh: Request[] = $state.raw([]);
  error: Refused | undefined = $state.raw(undefined);
  /** Whether there are no older ones. */
  whole: boolean = $state(false);
  growing: boolean = $state(false);
  /** Whether what is shown is of other filters. */
  reading: boolean = $state(false);
  #filter: Filter = { state: '', resource: '', of: '' };
  #mine = false;
  #turn = 0;
  #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const unlisten = live.listen((change) => this.#heard(change));
    onDestroy(() => {
      unlisten();
      clearTimeout(this.#timer);
      this.#turn++;
    });
  }

  /** Begins anew with other filters. */
  begin(filter: Filter, mine: boolean): void {
    this.#filter = filter;
    this.#mine = mine;
    this.reading = true;
    untrack(() => void this.again(FIRST));
  }

  /** Reads it again, as far as it was read. */
  async again(limit: number = Math.min(Math.max(this.items?.length ?? 0, FIRST), MOST)): Promise<void> {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.growing = false;
    try {
      const items = await this.#page(limit);
      if (turn !== this.#turn) return;
      this.items = items;
      this.fresh = [];
      this.whole = items.length < limit;
      this.error = undefined;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = asRefused(error);
      if (!this.error.offline) this.items = undefined;
      else this.#timer = setTimeout(() => void this.again(), 5_000);
    }
    this.reading = false;
  }

  async older(): Promise<void> {
    const last = this.items?.at(-1);
    if (this.growing || !last) return;
    const turn = this.#turn;
    this.growing = true;
    try {
      const older = await this.#page(OLDER, last.id);
      if (turn !== this.#turn) return;
      this.items = merge(this.items ?? [], older);
      this.whole = older.length < OLDER;
      this.error = undefined;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = asRefused(error);
    }
    this.growing = false;
  }

  /** Shows what came meanwhile. */
  show(): void {
    this.items = merge(this.items ?? [], this.fresh);
    this.fresh = [];
  }

  async #page(limit: number, before?: string): Promise<Request[]> {
    const { state, resource } = this.#filter;
    const query = { limit, before, mine: this.#mine || undefined, state: state || undefined, resource: resource || undefined };
    return (await ask(requestList({ query }))).items;
  }

  #heard(change: Change): void {
    if (change.what === 'everything') void this.again();
    if (!this.items) return;
    if (change.what === 'request') this.#changed.add(change.id);
    if (change.what === 'grant') {
      const its = this.items.find((request) => request.grants.some((grant) => grant.id === change.id));
      if (its) this.#changed.add(its.id);
    }
    if (this.#changed.size > 0) this.#timer ??= setTimeout(() => void this.#look(), TOGETHER);
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    const turn = this.#turn;
    const ids = [...this.#changed];
    this.#changed.clear();
    try {
      const now = ids.length > SINGLY ? await this.#page(FIRST) : await Promise.all(ids.map((id) => ask(requestShow({ path: { id } }))));
      if (turn !== this.#turn || !this.items) return;
      this.items = refreshed(this.items, now);
      const known = new Set(this.items.map((request) => request.id));
      const more = now.filter((r) => !known.has(r.id) && fits(r, this.#filter) && within(this.items ?? [], r, this.whole));
      this.fresh = merge(this.fresh, more);
    } catch (error) {
      // What was not heard of now is read when the connection is back; a single one that went out of sight is none of ours.
      if (turn === this.#turn && asRefused(error).offline) this.error = asRefused(error);
    }
  }
}
