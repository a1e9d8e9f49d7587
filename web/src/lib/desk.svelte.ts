// The requests on somebody's desk: those that wait for them, and, for a moment, those that they have just decided.
import { untrack } from 'svelte';
import { ask, inbox, requestShow, type Request } from './api';
import { arranged, bySoonest } from './decide';
import { live, type Change } from './live.svelte';
import { load, type Loaded } from './load.svelte';

export class Desk {
  readonly waiting: Loaded<Request[]>;
  /** The one that somebody is at: what others make of it meanwhile is shown, as what was decided here is. */
  selected: string | undefined = $state();
  /** What was just decided, by id. */
  kept: Record<string, Request> = $state.raw({});
  #order: string[] = $state.raw([]);
  readonly shown: Request[] = $derived.by(() => {
    const all = this.#all();
    return this.#order.flatMap((id) => all.get(id) ?? []);
  });

  /** To be made while a component is made. */
  constructor() {
    this.waiting = load(
      async () => {
        const items = bySoonest((await ask(inbox())).items);
        await this.#taken(items);
        return items;
      },
      (change) => change.what === 'request' || change.what === 'notice',
    );
    $effect.pre(() => {
      const ids = [...this.#all().keys()];
      this.#order = arranged(untrack(() => this.#order), ids);
    });
    $effect(() => live.listen((change) => void this.#heard(change)));
  }

  #all(): Map<string, Request> {
    const all = new Map((this.waiting.value ?? []).map((request) => [request.id, request]));
    for (const request of Object.values(this.kept)) all.set(request.id, request);
    return all;
  }

  /** A request has become something else by what was done here. */
  changed(request: Request): void {
    if (request.yours_to_decide) {
      this.drop(request.id);
      const before = this.waiting.value ?? [];
      const there = before.some((other) => other.id === request.id);
      this.waiting.value = there ? before.map((other) => (other.id === request.id ? request : other)) : [...before, request];
    } else {
      this.kept = { ...this.kept, [request.id]: request };
    }
    this.waiting.soon();
  }

  /** One that was decided is shown no longer. */
  drop(id: string): void {
    const { [id]: _, ...rest } = this.kept;
    this.kept = rest;
  }

  /** Somebody else was faster with the one that somebody is at: it must not vanish under their hands. */
  async #taken(items: Request[]): Promise<void> {
    const id = this.selected;
    const was = (list: Request[] | undefined) => list?.some((request) => request.id === id) ?? false;
    if (id === undefined || id in this.kept || !was(this.waiting.value) || was(items)) return;
    const request = await ask(requestShow({ path: { id } })).catch(() => null);
    if (request && !request.yours_to_decide) this.kept = { ...this.kept, [id]: request };
  }

  /** What was decided goes on: the grant opens, somebody else decides too. */
  async #heard(change: Change): Promise<void> {
    const concerned = Object.keys(this.kept).filter((id) => change.what === 'grant' || change.id === id);
    for (const id of concerned) {
      const request = await ask(requestShow({ path: { id } })).catch(() => null);
      if (request && id in this.kept && !request.yours_to_decide) this.kept = { ...this.kept, [id]: request };
    }
  }
}
