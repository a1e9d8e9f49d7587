// Instants and lengths of time. The server says RFC 3339 in UTC and lengths such as `1h30m`; people see their own zone.

const UNITS: [string, number][] = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
];

/** `5400` → `1h30m`; the same form as the server's. */
export function span(seconds: number): string {
  let rest = Math.max(0, Math.round(seconds));
  if (rest === 0) return '0s';
  let text = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** The same in at most two units, for reading: `1d 3h`. */
export function roughly(seconds: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0 || (unit === 's' && parts.length === 0)) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** `1h30m` → 5400; null when it isn't one. */
export function seconds(text: string): number | null {
  const trimmed = text.trim();
  if (!/^(\d+[dhms])+$/.test(trimmed)) return null;
  let sum = 0;
  for (const [, count, unit] of trimmed.matchAll(/(\d+)([dhms])/g)) {
    sum += Number(count) * (UNITS.find(([name]) => name === unit)?.[1] ?? 0);
  }
  return sum;
}

/** `1:05:09`, `4:09`: what is left. */
export function clock(seconds: number): string {
  const left = Math.max(0, Math.ceil(seconds));
  const [h, m, s] = [Math.floor(left / 3_600), Math.floor((left % 3_600) / 60), left % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const short = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const withYear = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const timeOnly = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });

/** For reading, in the reader's zone: the time alone today, with its year when it isn't this one. */
export function when(instant: string, now: Date = new Date()): string {
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) return instant;
  if (at.toDateString() === now.toDateString()) return timeOnly.format(at);
  return (at.getFullYear() === now.getFullYear() ? short : withYear).format(at);
}

/** The exact instant, in the reader's zone and as the server says it. */
export function exactly(instant: string): string {
  const at = new Date(instant);
  return Number.isNaN(at.getTime()) ? instant : `${full.format(at)}\n${instant}`;
}

/** `5 min ago`, `in 2 h`. */
export function ago(instant: string, now: number = Date.now()): string {
  const seconds = (new Date(instant).getTime() - now) / 1_000;
  const far = Math.abs(seconds);
  if (far < 5) return 'now';
  const [count, unit] =
    far < 60 ? [far, 's'] : far < 3_600 ? [far / 60, 'min'] : far < 86_400 ? [far / 3_600, 'h'] : [far / 86_400, 'd'];
  const text = `${Math.floor(count)} ${unit}`;
  return seconds < 0 ? `${text} ago` : `in ${text}`;
}

/** A text in which the server has written instants, with them as people read them. */
export function withTimes(text: string, now: Date = new Date()): string {
  return text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (instant) => when(instant, now));
}
