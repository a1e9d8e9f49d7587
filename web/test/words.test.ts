import { expect, it } from 'vitest';
import { when, withTimes } from '../src/lib/time';

it('writes instants in a text as people read them', () => {
  const now = new Date('2026-11-26T12:00:00Z');
  const at = '2026-11-20T10:52:03.052Z';
  expect(withTimes(`opened until ${at}, then ${at}`, now)).toBe(`opened until ${when(at, now)}, then ${when(at, now)}`);
  expect(withTimes('on 2026-11-20, at T10', now)).toBe('on 2026-11-20, at T10');
});
