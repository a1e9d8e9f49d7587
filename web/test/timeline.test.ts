import { describe, expect, test } from 'vitest';
import type { Happened } from '../src/lib/api';
import { alikeWords, earlierWords } from '../src/lib/background';
import { byDay, parts, told, weight } from '../src/lib/timeline';
import { valueRows } from '../src/lib/values';

let seq = 0;
function happened(at: Date | string, more: Partial<Happened> = {}): Happened {
  const instant = typeof at === 'string' ? at : at.toISOString();
  return { seq: ++seq, at: instant, kind: 'request.commented', text: 'peer commented: why?', what: 'request', id: 'req_1', ...more };
}

describe('a timeline', () => {
  test('is told by the days of the reader, in the order of the ledger', () => {
    // Local times: whatever zone the test runs in, midnight lies between them.
    const [late, early, later] = [new Date(2026, 10, 25, 23, 59), new Date(2026, 10, 26, 0, 1), new Date(2026, 10, 26, 9, 0)];
    const days = byDay([happened(late), happened(early), happened(later)], new Date(2026, 10, 26, 12));
    expect(days.map((day) => [day.key, day.items.length])).toEqual([['2026-11-25', 1], ['2026-11-26', 2]]);
    expect(days[1]?.name).toBe('Today');
    expect(days[0]?.name).toContain('25');
  });
  test('another year is said', () => {
    const [day] = byDay([happened(new Date(2025, 0, 2, 12))], new Date(2026, 10, 26));
    expect(day?.name).toContain('2025');
  });
  test('nothing happened: nothing is told', () => {
    expect(byDay([])).toEqual([]);
  });
  test('instants in a sentence come apart, and nothing of it is lost', () => {
    expect(parts('stage 1 asks peer, until 2026-11-26T11:20:48.146Z')).toEqual([{ text: 'stage 1 asks peer, until ' }, { at: '2026-11-26T11:20:48.146Z' }]);
    expect(parts('at 2026-11-26T11:20:48Z, for 10m')).toEqual([{ text: 'at ' }, { at: '2026-11-26T11:20:48Z' }, { text: ', for 10m' }]);
    expect(parts('')).toEqual([]);
  });
  test('who did it stands first, is added where the sentence does not say, and is nobody for what follows by itself', () => {
    expect(told(happened('', { by: 'peer' }))).toEqual({ who: 'peer', rest: ' commented: why?', by: null });
    expect(told(happened('', { by: 'peer', text: 'it is approved', kind: 'request.approved' }))).toEqual({ who: null, rest: 'It is approved', by: 'peer' });
    expect(told(happened('', { by: 'dev', text: 'the login is being removed', kind: 'lease.revoking' })).by).toBeNull();
    expect(told(happened('', { by: 'dev', text: 'all is gone', kind: 'grant.closed' })).by).toBeNull();
    expect(told(happened('', { by: 'pe', text: 'peer looked at it' })).who).toBeNull();
    expect(told(happened('', { text: 'read on orders-db opened', kind: 'grant.opened' })).rest).toBe('read on orders-db opened');
  });
  test('what turned it weighs more than what accompanies it', () => {
    expect(weight('grant.opened')).toBe('good');
    expect(weight('lease.revoke_unconfirmed')).toBe('bad');
    expect(weight('request.seen')).toBe('side');
    expect(weight('session.live')).toBe('turn');
  });
});

describe('what went before', () => {
  test('what became of similar ones is counted', () => {
    expect(alikeWords({ approved: 0, denied: 0, expired: 0 })).toBe('None like it in the last 90 days.');
    expect(alikeWords({ approved: 12, denied: 1, expired: 0, median_s: 244 })).toBe(
      '12 approved, 1 denied in the last 90 days; half of the approvals took less than 4 m 4 s.',
    );
    expect(alikeWords({ approved: 0, denied: 1, expired: 0, median_s: null })).toBe('1 denied in the last 90 days.');
  });
  test('an earlier one says what was done with it', () => {
    const earlier = { request: 'req_0', at: '', resource: 'orders-db', role: 'read', state: 'approved', sessions: 1, statements: 41 };
    expect(earlierWords(earlier)).toBe('approved, 1 session, 41 statements');
    expect(earlierWords({ ...earlier, sessions: 0, statements: 0 })).toBe('approved, not used');
    expect(earlierWords({ ...earlier, state: 'denied', sessions: 0 })).toBe('denied');
  });
});

test('values that conditions looked at are told one by one', () => {
  expect(valueRows({ 'orders-db/read': { 'context.minutes': 10, 'context.proof': 'token' } })).toEqual([
    { of: 'orders-db/read', name: 'context.minutes', was: '10' },
    { of: 'orders-db/read', name: 'context.proof', was: 'token' },
  ]);
  expect(valueRows({ 'context.hours.office': true })).toEqual([{ of: '', name: 'context.hours.office', was: 'true' }]);
  for (const nothing of [undefined, null, 'x', [1]]) expect(valueRows(nothing)).toEqual([]);
});
