import { expect, test } from 'vitest';
import { link, ms, stacked, strength } from '../src/lib/insight';

test('a stack ends at the sum of its parts, with nothing for what is missing', () => {
  const series = [
    { label: 'a', colour: '', values: [1, null, 3] },
    { label: 'b', colour: '', values: [2, 5, null] },
  ];
  expect(stacked(series)).toEqual([
    [1, 0, 3],
    [3, 5, 3],
  ]);
});

test('whatever happened at all can be seen in the week', () => {
  expect([0, 1, 50, 100].map((count) => strength(count, 100))).toEqual([0, 1, 3, 5]);
  expect(strength(0, 0)).toBe(0);
});

test('times read as people say them', () => {
  expect([null, 0.4, 12, 1_250].map(ms)).toEqual(['–', '0 ms', '12 ms', '1.3 s']);
});

test('a step of a picture leads to its rows', () => {
  expect(link('requests', 0, 86_400, { state: 'denied' })).toBe(
    'search?in=requests&from=1970-01-01T00%3A00%3A00.000Z&to=1970-01-02T00%3A00%3A00.000Z&state=denied',
  );
});
