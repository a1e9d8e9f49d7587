// What of the server's refusals a page says: they are written for every client.
import type { Refused } from './api';
import { begun } from './asking';

export interface Words {
  title: string;
  /** Says more than the title; null when nothing does. */
  message: string | null;
  detail: string | null;
  hint: string | null;
}

/** A refusal as a page says it. */
export function refusalWords(error: Pick<Refused, 'status' | 'message' | 'detail' | 'hint' | 'field'>): Words {
  const rest = { detail: error.detail, hint: hintHere(error) };
  if (error.status === 403) return { title: 'This is not for you.', message: error.message, ...rest };
  // The same status refuses what is asked for: then the server says what is wrong with it.
  const hidden = error.status === 404 && error.field === null && error.detail === null;
  if (hidden) return { title: 'Not there, or not for you to see.', message: null, ...rest };
  return { title: begun(error.message), message: null, ...rest };
}

/** What is to be typed: a command of `ajar`, an option of one, a setting of a client's. */
const TYPED = /(^|[\s'`(])ajar [a-z]|(^|\s)--[a-z]|\b[A-Z]+_?[A-Z]+=/;

/** The hint, as far as it helps on a page. What nobody here has done wrong may still take a command: that stays. */
export function hintHere({ status, hint }: Pick<Refused, 'status' | 'hint'>): string | null {
  if (hint === null || status >= 500) return hint;
  const parts = hint.split('; ').filter((part) => !TYPED.test(part));
  return parts.join('; ') || null;
}
