// Text from outside is inert (I19, W2): what would steer a reader's eye is shown instead of obeyed. Markup is no danger: Svelte writes text.

/** Control characters, bidirectional overrides and isolates, what is invisible, and what is private. */
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

/** The same text with whatever steers written out: `\u{202e}`. Line breaks and tabs stay. */
export function inert(text: string): string {
  return text.replace(STEERING, (found) => `\\u{${found.codePointAt(0)?.toString(16) ?? ''}}`);
}

/** On one line. */
export function line(text: string): string {
  return inert(text).replace(/\s+/g, ' ').trim();
}

/** Whether it is more than what can be read at a glance. */
export function isLong(text: string): boolean {
  return text.length > 420 || text.split('\n').length > 5;
}

/** Those of them that a terminal would draw: it takes control characters for itself. */
const DRAWN = /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

/** A terminal's output with a replacement character for each that steers; control characters and sequences stay. */
export function unsteered(output: string): string {
  return output.replace(DRAWN, '\ufffd');
}
