// What would come of a wish, kept current while somebody writes it: asked a moment after the last key, and never two at a time.
import { asRefused, ask, explain, type Explanation, type Refused } from './api';
import { foretelling, length, requestOf, type Wish } from './asking';

/** So long nothing must have been typed. */
const PAUSE = 250;

export class Forecast {
  /** One for each role on a resource that is asked for. */
  value: Explanation[] = $state.raw([]);
  /** What would come of each once its reason is long enough, where that is all that is known to be missing. */
  then: (Explanation | undefined)[] = $state.raw([]);
  error: Refused | undefined = $state.raw(undefined);
  /** Whether `value` is of what was written before. */
  stale: boolean = $state(false);

  /** To be called in an effect: what it returns ends it. */
  of(wish: Wish): () => void {
    const stop = new AbortController();
    if (!wish.resource) {
      this.value = [];
      this.then = [];
      this.error = undefined;
      this.stale = false;
      return () => {};
    }
    this.stale = true;
    const timer = setTimeout(() => void this.#read(wish, stop.signal), PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }

  async #read(wish: Wish, signal: AbortSignal): Promise<void> {
    const { resource, role, also = [], reason, ticket, scope, starts_at, emergency, on_behalf_of } = requestOf(wish);
    const query = {
      // A length that is none is said beside its field; the rest is explained meanwhile.
      for: (wish.for && length(wish.for)) || undefined,
      ticket: ticket ?? undefined,
      scope: scope ?? undefined,
      at: starts_at ?? undefined,
      on_behalf_of: on_behalf_of ?? undefined,
      emergency: emergency || undefined,
    };
    try {
      const asks = [{ resource, role }, ...also];
      const told = await Promise.all(
        asks.map((of) =>
          foretelling((reason) => ask(explain({ path: { name: of.resource }, query: { ...query, role: of.role ?? undefined, reason }, signal })), reason),
        ),
      );
      if (signal.aborted) return;
      this.value = told.map(({ first }) => first);
      this.then = told.map(({ then }) => then);
      this.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.error = asRefused(error);
      this.value = [];
      this.then = [];
    }
    this.stale = false;
  }
}
