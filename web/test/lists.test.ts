import { describe, expect, it } from 'vitest';
import { counted, end, summary } from '../src/lib/accesses';
import type { Access, CatalogueEntry } from '../src/lib/api';
import { choices, idle, labels, matching, owns } from '../src/lib/entries';
import { actor, isCommitment, isGrant, kindWords, leaves, pageOf } from '../src/lib/leaf';

describe('accesses', () => {
  const access = (more: Partial<Access>): Access => ({
    grant: 'grant_1', request: 'req_1', person: 'dev', requester: 'dev', resource: 'orders-db', role: 'read', reviewers: [],
    automatic: false, emergency: false, rules: [], opened_at: '2026-11-26T10:00:00Z', sessions: 0, statements: 0, events: [], ...more,
  });
  it('end in one of four ways', () => {
    expect(end(access({}))).toBe('open');
    expect(end(access({ ended_at: 'x' }))).toBe('unproven');
    expect(end(access({ ended_at: 'x', proven_gone_at: 'y' }))).toBe('proven');
    expect(end(access({ ended_at: 'x', extended_by: 'grant_2' }))).toBe('extended');
  });
  it('are counted', () => {
    const items = [access({}), access({ emergency: true, ended_at: 'x' }), access({ person: 'peer', ended_at: 'x', extended_by: 'grant_2' })];
    expect(summary(items)).toEqual({ accesses: 3, people: 2, emergencies: 1, open: 1, unproven: 1 });
    expect(counted(1, 'person', 'people')).toBe('1 person');
    expect(counted(0, 'person', 'people')).toBe('0 people');
  });
});

describe('the catalogue', () => {
  const entry = (name: string, more: Partial<CatalogueEntry> = {}): CatalogueEntry => ({
    name, kind: 'postgres', description: '', labels: {}, owners: [], roles: [], health: { state: 'good' }, open: 0, recent: [], ...more,
  });
  const role = (name: string, grants_90d: number, last_used?: string) => ({ name, words: '', grants_90d, yours: true, last_used });
  const all = [
    entry('orders-db', { labels: { team: 'orders' }, roles: [role('read', 3), role('write', 0)], owners: ['group:orders'] }),
    entry('web', { kind: 'ssh', health: { state: 'bad' }, description: 'Orders’ front', roles: [role('deploy', 0, '2026-11-01T00:00:00Z')] }),
  ];
  const names = (wanted: Parameters<typeof matching>[1]) => matching(all, wanted).map(({ name }) => name);
  it('is found by every word, whatever its case', () => {
    expect(names({ q: 'ORDERS' })).toEqual(['orders-db', 'web']);
    expect(names({ q: 'orders write' })).toEqual(['orders-db']);
    expect(names({ q: 'team=orders' })).toEqual(['orders-db']);
    expect(names({})).toHaveLength(2);
  });
  it('is narrowed by kind, health, label and what nobody uses', () => {
    expect(names({ kind: 'ssh' })).toEqual(['web']);
    expect(names({ health: 'good' })).toEqual(['orders-db']);
    expect(names({ label: 'team=orders' })).toEqual(['orders-db']);
    expect(names({ unused: true })).toEqual(['orders-db']);
  });
  it('a role lies idle for 90 days only where it was used before: the server may be younger', () => {
    const now = Date.parse('2026-11-26T10:00:00Z');
    expect(idle({ grants_90d: 0 }, now)).toBe('not used yet');
    expect(idle({ grants_90d: 0, last_used: null }, now)).toBe('not used yet');
    expect(idle({ grants_90d: 1 }, now)).toBeNull();
    expect(idle({ grants_90d: 0, last_used: '2026-08-28T10:00:01Z' }, now)).toBeNull();
    expect(idle({ grants_90d: 0, last_used: '2026-08-28T09:59:59Z' }, now)).toBe('not used for 90 days');
    expect(choices(all, labels)).toEqual(['team=orders']);
  });
  it('knows owners by name and by group', () => {
    expect(owns(['group:orders'], 'peer', ['orders'])).toBe(true);
    expect(owns(['user:peer'], 'peer', [])).toBe(true);
    expect(owns(['group:peer', 'user:orders'], 'peer', ['orders'])).toBe(false);
  });
});

describe('events', () => {
  it('are lines of JSON; what is none is left out', () => {
    const line = '{"seq":3,"stream":"req_1","kind":"request.stage_entered","at":"x","actor":{"principal":{"id":"prin_1","proof":{"token":"tok_1"}}}}';
    const [leaf, ...more] = leaves(`${line}\n\n{"x":1}\n{`);
    expect(more).toEqual([]);
    expect(leaf).toMatchObject({ seq: 3, kind: 'request.stage_entered', text: line });
    expect(actor(leaf!)).toEqual({ id: 'prin_1', proof: 'token tok_1' });
    expect(actor({ actor: { principal: { id: 'prin_1', proof: 'password' } } })).toEqual({ id: 'prin_1', proof: 'password' });
    expect(actor({ actor: 'system' })).toBeNull();
    expect(kindWords(leaf!.kind)).toBe('request: stage entered');
  });
  it('name pages by ids only', () => {
    expect(pageOf('req_01m8')).toBe('requests/req_01m8');
    expect(pageOf('sess_01m8')).toBe('sessions/sess_01m8');
    expect(['grant_01m8', 'grant_../x', 'req_01m8'].map(isGrant)).toEqual([true, false, false]);
    expect(pageOf('req_../x')).toBeNull();
    expect(pageOf('policy')).toBeNull();
    expect(isCommitment(`c1_${'0'.repeat(64)}`)).toBe(true);
    expect(isCommitment('c1_0')).toBe(false);
  });
});
