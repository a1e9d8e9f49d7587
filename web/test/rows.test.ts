import { expect, test } from 'vitest';
import { near, Rows } from '../src/lib/rows';

const ids = (count: number) => Array.from({ length: count }, (_, n) => `req_${n}`);

test('rows that were not measured are as high as the first one that was', () => {
  const rows = new Rows(50);
  expect(rows.tops(ids(3))).toEqual([0, 50, 100, 150]);
  expect(rows.measured('req_1', 60)).toBe(true);
  expect(rows.tops(ids(3))).toEqual([0, 60, 120, 180]);
  expect(rows.measured('req_2', 60)).toBe(false);
  expect(rows.measured('req_2', 90)).toBe(true);
  expect(rows.tops(ids(4))).toEqual([0, 60, 120, 210, 270]);
  // A row that is the last one for now lacks its border.
  expect(rows.measured('req_1', 59)).toBe(false);
  // One that isn't shown, as while the page is of the other kind, says nothing.
  expect(rows.measured('req_2', 0)).toBe(false);
  // A row keeps its height when others come before it.
  expect(rows.tops(['new', ...ids(3)])).toEqual([0, 60, 120, 180, 270]);
  rows.forget();
  expect(rows.tops(ids(2))).toEqual([0, 60, 120]);
});

test('what is near what is seen is drawn, and no more, wherever that is', () => {
  const tops = new Rows(50).tops(ids(1_000));
  expect(near(tops, 0, 900)).toEqual([0, 40]);
  expect(near(tops, -300, 600)).toEqual([0, 40]);
  expect(near(tops, 25_000, 25_900)).toEqual([480, 540]);
  expect(near(tops, 49_100, 50_000)).toEqual([960, 1_000]);
  // A bit further is the same, so that nothing has to be drawn.
  expect(near(tops, 25_010, 25_910)).toEqual([480, 540]);
  for (let begins = -2_000; begins < 60_000; begins += 333) {
    const [from, to] = near(tops, begins, begins + 900);
    expect(to - from).toBeLessThanOrEqual(80);
    for (let place = 0; place < 1_000; place++) if (tops[place + 1]! > begins && tops[place]! < begins + 900) expect(place >= from && place < to).toBe(true);
  }
  expect(near([0], 0, 900)).toEqual([0, 0]);
  // Further down than there is anything: what is last.
  expect(near(tops, 90_000, 90_900)).toEqual([980, 1_000]);
});
