// What the server says of how access goes, put into pictures. The pictures' rows are links into search.
import type { Insight } from './api';

export interface Series {
  label: string;
  /** A colour of the theme: `--accent`. */
  colour: string;
  values: (number | null)[];
}

export interface Chart {
  /** Begin of each step, in seconds since 1970. */
  at: number[];
  /** How long a step is, in seconds. */
  step: number;
  series: Series[];
}

const DAY = 86_400;

function chart<T extends { at: string }>(rows: T[], step: number, series: [string, string, (row: T) => number | null | undefined][]): Chart {
  return {
    at: rows.map((row) => Date.parse(row.at) / 1_000),
    step,
    series: series.map(([label, colour, value]) => ({ label, colour, values: rows.map((row) => value(row) ?? null) })),
  };
}

export function approvals(insight: Insight): Chart {
  return chart(insight.approval.by_week, 7 * DAY, [
    ['Half within', '--accent', (week) => week.p50_s],
    ['Nine of ten within', '--warn', (week) => week.p90_s],
  ]);
}

export function open(insight: Insight): Chart {
  return chart(insight.open_by_day, DAY, [
    ['PostgreSQL', '--info', (day) => day.postgres],
    ['SSH', '--accent', (day) => day.ssh],
    ['HTTP', '--warn', (day) => day.http],
  ]);
}

export function decisions(insight: Insight): Chart {
  return chart(insight.decisions, DAY, [
    ['By rules', '--info', (day) => day.auto],
    ['By people', '--good', (day) => day.human],
    ['Denied', '--bad', (day) => day.denied],
    ['Expired', '--line-strong', (day) => day.expired],
  ]);
}

/** Each series on top of those before it: what is drawn of a stack, the last one being the tallest. */
export function stacked(series: Series[]): number[][] {
  const sums: number[][] = [];
  for (const { values } of series) {
    const below = sums.at(-1);
    sums.push(values.map((value, at) => (value ?? 0) + (below?.[at] ?? 0)));
  }
  return sums;
}

/** How strong a cell of the week is: 0 for none, else 1 to 5, by its share of the greatest. */
export function strength(count: number, greatest: number): number {
  return count <= 0 || greatest <= 0 ? 0 : Math.max(1, Math.ceil((count / greatest) * 5));
}

/** A time in milliseconds for people: `3 ms`, `1.2 s`. */
export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

/** The query of a search for one step of a picture. */
export function link(within: string, at: number, step: number, more: Record<string, string> = {}): string {
  const iso = (seconds: number) => new Date(seconds * 1_000).toISOString();
  return `search?${new URLSearchParams({ in: within, from: iso(at), to: iso(at + step), ...more }).toString()}`;
}
