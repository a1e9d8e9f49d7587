import { expect, test } from 'vitest';
import { ago, clock, roughly, seconds, span } from '../src/lib/time';

test('lengths go both ways as the server says them', () => {
  for (const text of ['0s', '45s', '10m', '1h30m', '2d', '1d1h1m1s']) expect(span(seconds(text)!)).toBe(text);
  expect(['', '10', 'm', '10 m', '-5m', '1h,5m'].map(seconds)).toEqual([null, null, null, null, null, null]);
});

test('what is left counts down to nothing and no further', () => {
  expect([3_909, 249, 0.2, -3].map(clock)).toEqual(['1:05:09', '4:09', '0:01', '0:00']);
});

test('long lengths are told in two units at most', () => {
  expect([5, 65, 7_200, 90_061].map(roughly)).toEqual(['5 s', '1 m 5 s', '2 h', '1 d 1 h']);
});

test('instants are told from now, in both directions', () => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  expect(['2026-01-31T11:59:58Z', '2026-01-31T11:55:00Z', '2026-01-31T14:30:00Z', '2026-01-28T12:00:00Z'].map((at) => ago(at, now))).toEqual([
    'now',
    '5 min ago',
    'in 2 h',
    '3 d ago',
  ]);
});
