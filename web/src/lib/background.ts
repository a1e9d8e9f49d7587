// What helps to decide a request, in words.
import type { Alike, EarlierRequest } from './api';
import { roughly } from './time';

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `12 approved, 1 denied in 90 days; approved within 4 m, half of the time`. */
export function alikeWords(alike: Alike): string {
  const parts = (['approved', 'denied', 'expired'] as const).filter((state) => alike[state] > 0).map((state) => `${alike[state]} ${state}`);
  if (parts.length === 0) return 'None like it in the last 90 days.';
  const median = alike.median_s === null || alike.median_s === undefined ? '' : `; half of the approvals took less than ${roughly(alike.median_s)}`;
  return `${parts.join(', ')} in the last 90 days${median}.`;
}

/** `approved, 2 sessions, 41 statements`; nothing of sessions where none could be. */
export function earlierWords(earlier: EarlierRequest): string {
  if (earlier.state !== 'approved') return earlier.state;
  if (earlier.sessions === 0) return 'approved, not used';
  return `approved, ${counted(earlier.sessions, 'session')}, ${counted(earlier.statements, 'statement')}`;
}
