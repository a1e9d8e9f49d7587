// Sizes, counts and offsets, for reading.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1234` → `1.2 kB`. */
export function bytes(n: number): string {
  let [value, unit] = [n, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** `1 row`, `2,000 rows`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

/** Microseconds from the start, to the millisecond: `1:02.345`, `1:00:02.345`. */
export function offset(micros: number): string {
  const ms = Math.floor(micros / 1_000);
  return `${stamp(Math.floor(ms / 1_000))}.${String(ms % 1_000).padStart(3, '0')}`;
}

/** Whole seconds: `1:02`, `1:00:02`. */
export function stamp(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3_600), Math.floor((whole % 3_600) / 60), whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** `1:02`, `62`, `1:00:02.5`, `1m2s` → seconds; null when it is no time. */
export function moment(words: string): number | null {
  const trimmed = words.trim().replace(/^\+/, '');
  const parts = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)$/.exec(trimmed);
  if (parts) return Number(parts[1] ?? 0) * 3_600 + Number(parts[2] ?? 0) * 60 + Number(parts[3]);
  const units = /^(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?$/.exec(trimmed);
  if (!units || trimmed === '') return null;
  return Number(units[1] ?? 0) * 3_600 + Number(units[2] ?? 0) * 60 + Number(units[3] ?? 0);
}

/** How long something took, in µs: `0.45 ms`, `12 ms`, `3.2 s`. */
export function lasted(micros: number): string {
  if (micros < 10_000) return `${(micros / 1_000).toFixed(2)} ms`;
  if (micros < 1_000_000) return `${Math.round(micros / 1_000)} ms`;
  if (micros < 60_000_000) return `${(micros / 1_000_000).toFixed(1)} s`;
  return stamp(micros / 1_000_000);
}
