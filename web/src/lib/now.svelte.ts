// The time, once a second, while somebody looks at it.
import { createSubscriber } from 'svelte/reactivity';

class Now {
  #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, 1_000);
    return () => clearInterval(timer);
  });

  /** Milliseconds since 1970; whoever reads it in a template or effect is told each second. */
  get ms(): number {
    this.#subscribe();
    return Date.now();
  }
}

export const now = new Now();
