// Something that somebody does: once at a time, and what it said when it was refused.
import { asRefused, type Refused } from './api';
import { toasts } from './toast.svelte';

export class Act {
  busy: boolean = $state(false);
  error: Refused | undefined = $state.raw(undefined);

  /** Does it; `said` is shown when it is done. Whether it was. */
  async run(what: () => Promise<unknown>, said?: string): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.error = undefined;
    try {
      await what();
      if (said) toasts.good(said);
      return true;
    } catch (error) {
      this.error = asRefused(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
