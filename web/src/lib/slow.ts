// Waiting that takes long says so: whoever waits then knows that it goes on.

/** So long an answer may take before that is said, in milliseconds. */
export const PATIENCE = 4_000;

export const SLOW = 'The server takes its time. It is still waited for.';

/** Says `true` once it was waited for so long; what it returns ends the wait, and takes that back. */
export function waiting(say: (slow: boolean) => void): () => void {
  const timer = setTimeout(() => say(true), PATIENCE);
  return () => {
    clearTimeout(timer);
    say(false);
  };
}
