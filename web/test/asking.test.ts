import { describe, expect, test } from 'vitest';
import { fieldOf, foretelling, instant, length, local, longest, needs, otherwise, outcome, outcomeWords, presets, problems, queryOf, requestOf, strictest, wishOf } from '../src/lib/asking';
import type { Explanation, RulePart } from '../src/lib/api';

const rule = (more: Partial<RulePart>): RulePart => ({ rule: 'r', effect: 'allow', stages: [], ...more });
const foretold = (more: Partial<Explanation>): Explanation => ({ outcome: 'review', resource: 'orders-db', role: 'write', stages: [], alerted: [], values: {}, rules: [], less: [], low_risk: false, ...more });
const wish = (query: string) => wishOf(new URLSearchParams(query));

describe('links', () => {
  test('a link says a wish, and the wish says the same link', () => {
    const made = wish('resource=orders-db&role=write&for=1h30m&ticket=INC-7&at=2030-01-31T17:00:00Z&also=web-1/look,sample-api');
    expect(made).toMatchObject({ resource: 'orders-db', role: 'write', for: '1h30m', ticket: 'INC-7', also: [{ resource: 'web-1', role: 'look' }, { resource: 'sample-api', role: '' }] });
    expect(queryOf(made)).toMatchObject({ resource: 'orders-db', also: 'web-1/look,sample-api', at: '2030-01-31T17:00:00.000Z', emergency: null });
  });

  test('reason and scope are read from a link, never written into one', () => {
    const made = wish('resource=x&reason=because&scope=order 1');
    expect([made.reason, made.scope]).toEqual(['because', 'order 1']);
    expect(Object.keys(queryOf(made))).not.toContain('reason');
    expect(Object.keys(queryOf(made))).not.toContain('scope');
  });

  test('an emergency is one thing, now', () => {
    const made = requestOf(wish('resource=x&also=y/z&at=2030-01-31T17:00:00Z&emergency=1'));
    expect(made).toMatchObject({ emergency: true, also: [], starts_at: null });
  });
});

test('an instant in the reader’s zone and back', () => {
  const at = '2030-06-30T12:34:00.000Z';
  expect(instant(local(at))).toBe(at);
  expect([local(''), local('never'), instant('')]).toEqual(['', '', null]);
});

test('lengths as people write them', () => {
  expect(['1h30m', '1 h 30 min', '45 minutes', '2 hours', '1 day', '30', '', '0m', '1.5h', '400d'].map(length)).toEqual(['1h30m', '1h30m', '45m', '2h', '1d', null, null, null, null, null]);
});

describe('limits', () => {
  test('the longest is the shortest that all rules and all that is asked for allow', () => {
    expect(longest([])).toBeNull();
    expect(longest([foretold({ max: '4h' }), foretold({ rules: [rule({ max: '30m' }), rule({ max: '5m', passed_over: 'not now' })] })])).toBe('30m');
  });

  test('what can be pressed ends with it', () => {
    expect(presets('4h')).toEqual(['10m', '30m', '1h', '2h', '4h']);
    expect(presets('45m')).toEqual(['10m', '30m', '45m']);
    expect(presets(null)).toEqual(['10m', '30m', '1h', '2h']);
  });
});

describe('what the rules say before a reason is written', () => {
  const lacks = [rule({ lacks: 'a reason of 12 characters or more is needed' })];
  const asked = async (first: Explanation, reason?: string) => {
    const reasons: (string | undefined)[] = [];
    const told = await foretelling(async (given) => (reasons.push(given), reasons.length === 1 ? first : foretold({ for: '1h' })), reason);
    return { reasons, then: told.then?.for };
  };
  test('is what they say once it is long enough: for how long it would be', async () => {
    expect(await asked(foretold({ outcome: 'refused', reason_min: 12, rules: lacks }))).toEqual({ reasons: [undefined, '............'], then: '1h' });
    expect(await asked(foretold({ outcome: 'refused', reason_min: 12, rules: lacks }), 'short')).toEqual({ reasons: ['short', 'short.......'], then: '1h' });
  });
  test('is not guessed for a pattern, and not asked where all is said', async () => {
    expect(await asked(foretold({ outcome: 'refused', reason_min: 12, reason: '^INC-', rules: lacks }))).toEqual({ reasons: [undefined], then: undefined });
    expect(await asked(foretold({ for: '30m' }))).toEqual({ reasons: [undefined], then: undefined });
  });
});

describe('problems', () => {
  test('a number alone is asked for its unit', () => {
    expect(problems(wish('resource=x&for=20'), [], 0).for).toBe('Say of what: 20m for minutes, 20h for hours.');
    expect(problems(wish('resource=x&for=soon'), [], 0).for).toContain('such as 30m');
  });

  const now = Date.parse('2029-01-01T00:00:00Z');
  test('are said by their fields', () => {
    expect(problems(wish(''), [], now)).toEqual({ resource: 'Choose what you want to get into.' });
    expect(problems(wish('resource=a&for=2h'), [foretold({ max: '1h' })], now).for).toBe('The rules allow 1h at the most.');
    expect(problems(wish('resource=a&at=2028-01-01T00:00:00Z'), [], now).starts).toMatch(/over already/);
    expect(problems(wish('resource=a&role=r&also=a/r'), [], now).also).toBeDefined();
  });

  test('what the rules want to hear', () => {
    const wants = [foretold({ reason_min: 10, ticket: 'required', scope: '^order [0-9]+$' })];
    expect(problems(wish('resource=a&reason=short'), wants, now)).toEqual({ reason: 'Write 10 characters or more.', ticket: 'Name the ticket.', scope: 'Say what exactly it is for.' });
    expect(problems(wish('resource=a&reason=long+enough+now&ticket=INC-7&scope=order+1'), wants, now)).toEqual({});
    const lacks = [foretold({ outcome: 'refused', rules: [rule({ lacks: 'a reason of 5 characters or more is needed' })] })];
    expect(problems(wish('resource=a'), lacks, now).reason).toBe('A reason of 5 characters or more is needed.');
  });

  test('a refusal is said by the field that it is about', () => {
    const about = (field: string | null) => fieldOf({ field });
    expect(about('for')).toBe('for');
    expect(about('reason')).toBe('reason');
    expect(about('starts_at')).toBe('starts');
    expect(about('on_behalf_of')).toBe('behalf');
    expect(about(null)).toBeNull();
    expect(about('something new')).toBeNull();
  });
});

describe('what it means', () => {
  test('what only lacks words is not refused yet', () => {
    expect(outcome(foretold({ outcome: 'refused' }))).toBe('refused');
    expect(outcome(foretold({ outcome: 'refused', rules: [rule({ lacks: 'a reason is needed' })] }))).toBe('incomplete');
    const stage = { from: ['owners'], needed: 1, within: '30m', otherwise: ['deny'], waiting: false, able: [], online: [], can_be_fulfilled: false };
    expect(outcome(foretold({ stages: [stage] }))).toBe('denied');
    expect(outcome(foretold({ stages: [{ ...stage, otherwise: ['next'] }] }))).toBe('review');
    expect(strictest([foretold({ outcome: 'automatic' }), foretold({ outcome: 'review' })])).toBe('review');
    expect(strictest([])).toBeNull();
  });

  test('a word that is not known here says itself, and is the strictest', () => {
    const words = { automatic: 'It opens at once.' };
    expect(outcomeWords(words, 'automatic')).toBe('It opens at once.');
    expect(outcomeWords(words, 'needs_a_witness')).toBe('Needs a witness.');
    expect(outcomeWords(words, 'constructor')).toBe('Constructor.');
    expect(strictest([foretold({ outcome: 'refused' }), foretold({ outcome: 'needs_a_witness' }), foretold({ outcome: 'automatic' })])).toBe('needs_a_witness');
  });

  test('stages in words', () => {
    const stage = { from: ['owners', 'group:heads', 'on-call:dba', 'user:boss', 'manager'], needed: 2, within: '30m', otherwise: ['manager or group:heads', 'deny'], waiting: false };
    expect(needs(stage, 'orders-db')).toBe('2 of the owners of orders-db or group heads or whoever is on call for dba or boss or your manager');
    expect(otherwise(stage)).toBe('your manager or group heads is asked, then it is denied');
  });
});
