// Stretches of time that people look back over: named ones, which move on with the day, and exact ones. In the reader's zone.

/** From an instant on, and before another; either end may be open. Instants are RFC 3339. */
export interface Period {
  preset?: Preset;
  from?: string;
  to?: string;
}

export const PRESETS = {
  today: 'Today',
  '7d': '7 days',
  'last-week': 'Last week',
  '30d': '30 days',
  '90d': '90 days',
  month: 'This month',
  'last-month': 'Last month',
  quarter: 'This quarter',
  'last-quarter': 'Last quarter',
} as const;

export type Preset = keyof typeof PRESETS;

export function isPreset(text: string | null | undefined): text is Preset {
  return !!text && Object.hasOwn(PRESETS, text);
}

/** What a preset means now. Weeks begin on Monday; `7 days` begin at midnight, so that they don't change while one looks. */
export function preset(name: Preset, now: Date = new Date()): Period {
  const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
  const quarter = month - (month % 3);
  const monday = day - ((now.getDay() + 6) % 7);
  // The constructor does the calendar: day -3, month 13 and a night with 25 hours.
  const from = (...at: [number, number, number]) => ({ preset: name, from: new Date(...at).toISOString() });
  const between = (a: [number, number, number], b: [number, number, number]) => ({ ...from(...a), to: new Date(...b).toISOString() });
  switch (name) {
    case 'today':
      return from(year, month, day);
    case '7d':
      return from(year, month, day - 6);
    case 'last-week':
      return between([year, month, monday - 7], [year, month, monday]);
    case '30d':
      return from(year, month, day - 29);
    case '90d':
      return from(year, month, day - 89);
    case 'month':
      return from(year, month, 1);
    case 'last-month':
      return between([year, month - 1, 1], [year, month, 1]);
    case 'quarter':
      return from(year, quarter, 1);
    case 'last-quarter':
      return between([year, quarter - 3, 1], [year, quarter, 1]);
  }
}

/** The period that a page's query names: `t` a preset, else `from` and `to`. */
export function periodOf(query: URLSearchParams, now: Date = new Date(), otherwise: Preset | null = null): Period {
  const named = query.get('t');
  if (isPreset(named)) return preset(named, now);
  const [from, to] = [instant(query.get('from')), instant(query.get('to'))];
  if (from || to) return { ...(from ? { from } : {}), ...(to ? { to } : {}) };
  return otherwise ? preset(otherwise, now) : {};
}

function instant(text: string | null): string | null {
  const at = new Date(text ?? '');
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** As `<input type="datetime-local">` has it: `2026-11-26T10:06`, in the reader's zone. */
export function local(at: string | undefined): string {
  if (!at) return '';
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The instant that such an input names; null when it is empty. */
export function fromLocal(text: string): string | null {
  return text ? instant(text) : null;
}

const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
const minute = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });

const midnight = (date: Date) => date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;

/** In words: whole days where it is whole days. */
export function periodWords({ from, to }: Period): string {
  const [a, b] = [from ? new Date(from) : null, to ? new Date(to) : null];
  if (!a && !b) return 'Any time';
  if (a && b && midnight(a) && midnight(b)) {
    const last = new Date(b.getFullYear(), b.getMonth(), b.getDate() - 1);
    return last.getTime() <= a.getTime() ? day.format(a) : `${day.format(a)} to ${day.format(last)}`;
  }
  const words = (date: Date) => (midnight(date) ? day : minute).format(date);
  if (a && b) return `${words(a)} to ${words(b)}`;
  return a ? `Since ${words(a)}` : `Before ${words(b!)}`;
}

/** The reader's time zone: `Europe/Berlin`. */
export function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
