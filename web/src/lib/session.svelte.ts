// Who is signed in here.
import { ask, asRefused, me, onSignedOut, type Me, type Refused } from './api';
import { live } from './live.svelte';

class Session {
  me: Me | null | undefined = $state.raw(undefined);
  error: Refused | undefined = $state.raw(undefined);

  constructor() {
    // A wrong password is answered in the same way: whether we are still known is asked.
    onSignedOut(() => {
      if (this.me) void this.begin();
    });
  }

  /** Asks the server who we are. */
  async begin(): Promise<void> {
    this.error = undefined;
    try {
      const now = await ask(me());
      if (this.me) this.me = now;
      else this.signedIn(now);
    } catch (error) {
      const refused = asRefused(error);
      if (refused.status === 401) this.#out();
      else if (!this.me) this.error = refused;
    }
  }

  /** Somebody has just proven who they are. */
  signedIn(me: Me): void {
    this.me = me;
    live.open();
  }

  /** Reads again what is known of who is signed in: after a step-up, or a passkey more. */
  async refresh(): Promise<void> {
    this.me = await ask(me());
  }

  #out(): void {
    this.me = null;
    live.close();
  }

  out(): void {
    this.#out();
  }
}

export const session = new Session();
