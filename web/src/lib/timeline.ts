// What happened, as people read it: by day, with who did it and with instants in the reader's zone.
import type { Happened } from './api';

export interface Day {
  /** For reading: `Thursday, 26 November`. */
  name: string;
  /** The day's key in the reader's zone: `2026-11-26`. */
  key: string;
  items: Happened[];
}

function dayKey(at: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** By day in the reader's zone, in the order given. */
export function byDay(items: Happened[], now: Date = new Date()): Day[] {
  const days: Day[] = [];
  for (const item of items) {
    const at = new Date(item.at);
    const key = dayKey(at);
    let day = days.at(-1);
    if (day?.key !== key) {
      day = { key, name: dayName(at, now), items: [] };
      days.push(day);
    }
    day.items.push(item);
  }
  return days;
}

function dayName(at: Date, now: Date): string {
  if (dayKey(at) === dayKey(now)) return 'Today';
  const year = at.getFullYear() === now.getFullYear() ? undefined : ('numeric' as const);
  return new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year }).format(at);
}

export type Part = { text: string } | { at: string };

/** A sentence, with the instants in it apart. */
export function parts(text: string): Part[] {
  const found: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g)) {
    if (match.index > from) found.push({ text: text.slice(from, match.index) });
    found.push({ at: match[0] });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

export interface Told {
  /** Who did it, when the sentence begins with them. */
  who: string | null;
  /** The rest of the sentence. */
  rest: string;
  /** Who did it, when the sentence doesn't say. */
  by: string | null;
}

/** The sentence, with who did it apart. */
export function told(item: Happened): Told {
  const by = item.by ?? null;
  if (by !== null && item.text.startsWith(`${by} `)) return { who: by, rest: item.text.slice(by.length), by: null };
  // What follows by itself from what somebody did is nobody's doing.
  const follows = weight(item.kind) === 'side' || /^(lease\.|grant\.(opened|closed|failed)$)/.test(item.kind);
  // Those begin with a role's name, which stays as it is.
  const named = item.kind === 'grant.opened' || item.kind === 'grant.scheduled';
  const begin = named ? item.text : item.text.charAt(0).toUpperCase() + item.text.slice(1);
  return { who: null, rest: begin, by: by !== null && !follows && !item.text.includes(by) ? by : null };
}

/** How much something weighs for who reads: what turned the request or the access, or what accompanies it. */
export function weight(kind: string): 'good' | 'bad' | 'turn' | 'side' {
  switch (kind) {
    case 'request.approved':
    case 'grant.opened':
      return 'good';
    case 'request.denied':
    case 'request.expired':
    case 'grant.failed':
    case 'lease.revoke_unconfirmed':
    case 'debt.overdue':
      return 'bad';
    case 'request.seen':
    case 'request.reminded':
    case 'request.stage_entered':
    case 'lease.intended':
    case 'lease.minted':
    case 'lease.moved':
    case 'lease.revoking':
      return 'side';
    default:
      return 'turn';
  }
}
