import { describe, expect, it, vi } from 'vitest';
import { fromLocal, local, periodOf, periodWords, preset } from '../src/lib/period';

// Before anything is formatted: formatters keep the zone that they were made in.
vi.hoisted(() => {
  process.env.TZ = 'Europe/Berlin';
});

// A Thursday; the clocks went back on October 25th.
const NOW = new Date('2026-11-26T09:30:00Z');

describe('named stretches of time', () => {
  it('are of the reader’s calendar', () => {
    expect(preset('today', NOW)).toEqual({ preset: 'today', from: '2026-11-25T23:00:00.000Z' });
    expect(preset('7d', NOW).from).toBe('2026-11-19T23:00:00.000Z');
    expect(preset('last-week', NOW)).toMatchObject({ from: '2026-11-15T23:00:00.000Z', to: '2026-11-22T23:00:00.000Z' });
    expect(preset('month', NOW).from).toBe('2026-10-31T23:00:00.000Z');
    expect(preset('quarter', NOW)).toEqual({ preset: 'quarter', from: '2026-09-30T22:00:00.000Z' });
    expect(preset('last-quarter', NOW)).toMatchObject({ from: '2026-06-30T22:00:00.000Z', to: '2026-09-30T22:00:00.000Z' });
    expect(preset('last-month', NOW)).toMatchObject({ from: '2026-09-30T22:00:00.000Z', to: '2026-10-31T23:00:00.000Z' });
  });

  it('end where the year does', () => {
    const january = new Date('2026-01-05T12:00:00Z');
    expect(preset('last-quarter', january)).toMatchObject({ from: '2025-09-30T22:00:00.000Z', to: '2025-12-31T23:00:00.000Z' });
    expect(preset('last-month', january).from).toBe('2025-11-30T23:00:00.000Z');
  });

  it('begin a week on Monday, on Sundays too', () => {
    expect(preset('last-week', new Date('2026-11-29T12:00:00Z')).to).toBe('2026-11-22T23:00:00.000Z');
    expect(preset('last-week', new Date('2026-11-30T12:00:00Z')).to).toBe('2026-11-29T23:00:00.000Z');
  });
});

describe('a page’s query', () => {
  const of = (query: string) => periodOf(new URLSearchParams(query), NOW);
  it('names a preset, or exact instants, or nothing', () => {
    expect(of('t=today').preset).toBe('today');
    expect(of('from=2026-11-01T00:00:00Z')).toEqual({ from: '2026-11-01T00:00:00.000Z' });
    expect(of('from=x&to=2026-11-01T00:00:00Z')).toEqual({ to: '2026-11-01T00:00:00.000Z' });
    expect(of('t=toString')).toEqual({});
    expect(periodOf(new URLSearchParams(), NOW, 'quarter').preset).toBe('quarter');
  });

  it('goes through an input and back', () => {
    expect(local('2026-11-01T00:00:00.000Z')).toBe('2026-11-01T01:00');
    expect(fromLocal('2026-11-01T01:00')).toBe('2026-11-01T00:00:00.000Z');
    expect(local(undefined)).toBe('');
    expect(fromLocal('')).toBeNull();
  });
});

describe('words', () => {
  it('names whole days by their last, not by the one after', () => {
    const words = periodWords(preset('last-week', NOW));
    expect(words).toContain('16');
    expect(words).toContain('22');
    expect(words).not.toContain('23');
  });
  it('has words for open ends', () => {
    expect(periodWords({})).toBe('Any time');
    expect(periodWords({ from: NOW.toISOString() })).toMatch(/^Since /);
    expect(periodWords({ to: NOW.toISOString() })).toMatch(/^Before /);
  });
});
