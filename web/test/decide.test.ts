import { describe, expect, test } from 'vitest';
import type { Review, Stage } from '../src/lib/api';
import {
  approveStands, approveWords, arranged, bySoonest, candidateWords, deniedWords, endedWords, listed, otherwiseWords, outcome,
  requestActions, review, shorter, stageStates, unlimited, waitsUntil, whatWords, wrongLimits,
} from '../src/lib/decide';
import { grant, orders, request } from './made';

const billing = { resource: 'billing-db', role: 'read' };

function given(more: Partial<Review> = {}): Review {
  return { id: 'rev_1', reviewer: 'peer', verdict: 'approve', taken_back: false, at: '2026-11-26T10:01:00.000Z', ...more };
}
const stage = (more: Partial<Stage> = {}): Stage => ({ from: ['owners'], needed: 1, within: '30m', otherwise: ['deny'], waiting: true, ...more });

describe('a review', () => {
  test('says nothing of limits where all that was asked for is approved', () => {
    expect(review(request(), 'approve', '  ', unlimited(request()))).toEqual({ verdict: 'approve' });
    expect(review(request({ for: '1h' }), 'approve', ' go ', { length: '60m', only: [orders] })).toEqual({ verdict: 'approve', note: 'go' });
  });
  test('says what is less, in the length of the server', () => {
    const both = request({ asks: [orders, billing] });
    expect(review(both, 'approve', '', { length: '600s', only: [billing] })).toEqual({ verdict: 'approve', for: '10m', only: [billing] });
  });
  test('a deny has a note and no limits', () => {
    expect(review(request(), 'deny', 'no', { length: '5m', only: [] })).toEqual({ verdict: 'deny', note: 'no' });
  });
  test('the button says what it will approve', () => {
    const both = request({ asks: [orders, billing] });
    expect(approveWords(both, unlimited(both))).toBe('Approve for 30m');
    expect(approveWords(both, { length: '300s', only: [billing] })).toBe('Approve 1 of 2 for 5m');
  });
  test('limits never go beyond what was asked for', () => {
    expect(wrongLimits(request(), unlimited(request()))).toBeNull();
    expect(wrongLimits(request(), { length: '31m', only: [orders] })).toContain('30m');
    for (const length of ['', '0s', 'soon', '-5m']) expect(wrongLimits(request(), { length, only: [orders] })).toContain('length');
    expect(wrongLimits(request(), { length: '5m', only: [] })).toContain('at least one');
  });
  test('shorter lengths to choose from end below what was asked for', () => {
    expect(shorter('30m')).toEqual(['5m', '10m', '15m']);
    expect(shorter('4h')).toEqual(['15m', '30m', '1h', '2h']);
    expect(shorter('5m')).toEqual([]);
  });
});

describe('what came of it', () => {
  test('an approve that needs more can be taken back, and says whom it waits for', () => {
    const waits = request({ reviews: [given()], asked: ['owner', 'boss'] });
    expect(approveStands(waits, 'peer')).toBe(true);
    expect(outcome(waits, 'peer').words).toBe('Your approve counts. It still needs owner or boss.');
    expect(approveStands(waits, 'owner')).toBe(false);
    expect(approveStands(request({ reviews: [given({ taken_back: true })] }), 'peer')).toBe(false);
    expect(approveStands(request({ state: 'approved', reviews: [given()] }), 'peer')).toBe(false);
  });
  test('an approved one says until when it is open, or when it opens, or why not', () => {
    const open = outcome(request({ state: 'approved', grants: [grant()] }), 'peer');
    expect(open).toEqual({ words: 'Approved. Open for dev until', at: '2026-11-26T10:30:00.000Z' });
    const later = grant({ state: 'scheduled', ends_at: null, opens_at: '2026-11-27T00:00:00.000Z' });
    expect(outcome(request({ state: 'approved', grants: [later] }), 'peer').at).toBe(later.opens_at);
    const failed = grant({ state: 'failed', failed_because: 'no room' });
    expect(outcome(request({ state: 'approved', grants: [failed] }), 'peer').words).toContain('no room');
  });
  test('why it was denied is said, and what people wrote stays apart', () => {
    expect(deniedWords(request())).toBeNull();
    const denied = request({ state: 'denied', denied_because: 'review', reviews: [given({ verdict: 'deny', note: 'ask for less' })] });
    expect(deniedWords(denied)).toEqual({ words: 'peer denied it.', note: 'ask for less' });
    expect(deniedWords(request({ state: 'denied', denied_because: 'stage_timed_out' }))?.words).toBe('Nobody decided it in time.');
    expect(deniedWords(request({ state: 'denied', denied_because: 'of_late' }))?.words).toContain('of_late');
  });
  test('why a grant ended is said in words', () => {
    expect(endedWords(grant({ closed_because: 'expired' }))).toBe('its time was over');
    expect(endedWords(grant({ closed_because: 'some_new_reason' }))).toBe('some new reason');
  });
});

describe('stages', () => {
  test('who decides is said in words', () => {
    expect(candidateWords('owners', request({ asks: [orders, billing] }))).toBe('the owners of orders-db and billing-db');
    expect(candidateWords('manager', request())).toBe("dev's manager");
    expect(candidateWords('group:orders', request())).toBe('the group orders');
    expect(candidateWords('on-call:dba', request())).toBe('who is on call in dba');
    expect(candidateWords('user:a:b', request())).toBe('a:b');
  });
  test('what happens otherwise is said in words', () => {
    expect(otherwiseWords(stage(), request())).toBe('it is denied');
    expect(otherwiseWords(stage({ otherwise: ['next'] }), request())).toBe('the next stage decides');
    expect(otherwiseWords(stage({ otherwise: ['manager', 'group:heads or user:cto'] }), request())).toBe(
      "dev's manager, then the group heads or cto are asked too; then it is denied",
    );
  });
  test('each stands before, at or after the one that waits', () => {
    const [a, b, c] = [stage({ waiting: false }), stage(), stage({ waiting: false })];
    expect(stageStates(request({ stages: [a, b, c] }))).toEqual(['over', 'waits', 'later']);
    expect(stageStates(request({ state: 'approved', stages: [a] }))).toEqual(['over']);
    expect(stageStates(request({ state: 'denied', stages: [a, c] }))).toEqual(['unknown', 'unknown']);
  });
  test('a first stage that ends in a deny says until when it waits; otherwise the request does', () => {
    expect(waitsUntil(request({ stages: [stage()] }))).toBe('2026-11-26T10:30:00.000Z');
    expect(waitsUntil(request({ stages: [stage({ within: '3d' })] }))).toBe('2026-11-27T10:00:00.000Z');
    for (const stages of [[stage({ otherwise: ['next'] })], [stage({ waiting: false }), stage()], []]) {
      expect(waitsUntil(request({ stages }))).toBe('2026-11-27T10:00:00.000Z');
    }
    expect(waitsUntil(request({ stages: [stage()], reviews: [given({ taken_back: true })] }))).toBe('2026-11-27T10:00:00.000Z');
  });
});

describe('actions', () => {
  test('who asked, or for whom, withdraws what waits; others do not', () => {
    expect(requestActions(request(), 'dev').withdraw).toBe(true);
    expect(requestActions(request({ requester: 'lead' }), 'dev').withdraw).toBe(true);
    expect(requestActions(request(), 'peer').withdraw).toBe(false);
    expect(requestActions(request({ state: 'denied' }), 'dev').withdraw).toBe(false);
  });
  test('asking again is for who asked, when nothing of it is open', () => {
    const again = 'resource=orders-db&role=write&for=30m';
    for (const state of ['denied', 'withdrawn', 'expired']) expect(requestActions(request({ state }), 'dev').again).toBe(again);
    expect(requestActions(request({ state: 'approved', grants: [grant({ state: 'closed' })] }), 'dev').again).toBe(again);
    expect(requestActions(request({ state: 'approved', grants: [grant()] }), 'dev').again).toBeNull();
    expect(requestActions(request(), 'dev').again).toBeNull();
    expect(requestActions(request({ state: 'denied' }), 'peer').again).toBeNull();
  });
});

describe('order', () => {
  test('what is shown stays where it is, and what comes new comes last', () => {
    expect(arranged(['b', 'a', 'c'], ['n', 'a', 'b'])).toEqual(['b', 'a', 'n']);
  });
  test('what must be decided first comes first', () => {
    const soon = request({ id: 'soon', stages: [stage()] });
    expect(bySoonest([request({ id: 'late' }), soon]).map((r) => r.id)).toEqual(['soon', 'late']);
  });
  test('lists are read aloud', () => {
    expect(listed([])).toBe('');
    expect(listed(['a'])).toBe('a');
    expect(listed(['a', 'b', 'c'], 'or')).toBe('a, b or c');
    expect(whatWords(request({ asks: [orders, billing] }))).toBe('write on orders-db and read on billing-db');
  });
});
