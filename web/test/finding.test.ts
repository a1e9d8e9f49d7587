import { describe, expect, it } from 'vitest';
import type { Found } from '../src/lib/api';
import { isBlank, pageOf, questionOf, suggestions } from '../src/lib/finding';

const question = (query: string) => questionOf(new URLSearchParams(query), new Date('2026-11-26T12:00:00Z'));

describe('a search’s address', () => {
  it('is a question', () => {
    expect(question('')).toEqual({ in: 'requests' });
    expect(question('in=statements&q=+drop+&person=dev&to=2026-11-01T00:00:00Z&page=3')).toEqual({
      in: 'statements',
      q: 'drop',
      person: 'dev',
      to: '2026-11-01T00:00:00.000Z',
    });
    expect(question('in=toString').in).toBe('requests');
    expect(question('t=last-week')).toHaveProperty('to');
  });
  it('is blank when nothing narrows it', () => {
    expect(isBlank(question('in=events&q='))).toBe(true);
    expect(isBlank(question('role=read'))).toBe(false);
    expect(isBlank(question('t=today'))).toBe(false);
  });
  it('is what each suggestion asks', () => {
    for (const { query } of suggestions('dev', 'orders-db')) expect(isBlank(question(query))).toBe(false);
    expect(suggestions('dev', undefined).some(({ text }) => text.includes('undefined'))).toBe(false);
    expect(question(suggestions('dev', 'orders & db')[0]!.query).resource).toBe('orders & db');
  });
});

describe('what was found', () => {
  const found = (what: Found['what'], more: Partial<Found> = {}): Found => ({ what, id: 'x_1', at: '', who: 'dev', text: '', ...more });
  it('leads to where it is shown', () => {
    expect(pageOf(found('request'))).toBe('requests/x_1');
    expect(pageOf(found('session'))).toBe('sessions/x_1');
    expect(pageOf(found('statement', { session: 'sess_1', at_in_session: 12.5 }))).toBe('sessions/sess_1?at=12.5');
    expect(pageOf(found('statement', { session: 'sess_1', at_in_session: 0 }), 'a & b')).toBe('sessions/sess_1?at=0&q=a+%26+b');
    expect(pageOf(found('statement', { session: 'sess_1' }))).toBe('sessions/sess_1');
    expect(pageOf(found('statement'))).toBeNull();
    expect(pageOf(found('event', { seq: 0 }))).toBe('ledger/0');
    expect(pageOf(found('event'))).toBeNull();
    expect(pageOf(found('something new'))).toBeNull();
  });
});
