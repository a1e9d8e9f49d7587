import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { LedgerExportData, SearchData, SessionRecordingData } from '../src/lib/api';

type Api = typeof import('../src/lib/api');
let api: Api;
beforeAll(async () => {
  vi.stubGlobal('document', { baseURI: 'https://ajar.example.org/ajar/requests' });
  api = await import('../src/lib/api');
});

/** A server that answers everything in the same way. */
const answering = (status: number, body: string, type = 'application/json') => ({
  baseUrl: 'https://ajar.example.org',
  fetch: async () => new Response(body, { status, headers: { 'content-type': type } }),
});

describe('an address', () => {
  test('lies below the pages, whatever their path', () => {
    expect(api.address<LedgerExportData>({ url: '/api/v1/ledger/export' })).toBe('/ajar/api/v1/ledger/export');
  });
  test('says what is asked for, each as it was written, and nothing else', () => {
    const query = { in: 'statements', q: 'a & b #1+2=3?', person: undefined, format: 'csv' } as const;
    const address = new URL(api.address<SearchData>({ url: '/api/v1/search', query }), 'https://ajar.example.org');
    expect([...address.searchParams]).toEqual([['in', 'statements'], ['q', 'a & b #1+2=3?'], ['format', 'csv']]);
  });
  test('takes an id for a name, not for a path', () => {
    expect(api.address<SessionRecordingData>({ url: '/api/v1/sessions/{id}/recording', path: { id: '../x/y' } })).toBe('/ajar/api/v1/sessions/..%2Fx%2Fy/recording');
  });
});

describe('an answer', () => {
  test('is what the server says', async () => {
    expect(await api.ask(api.groups(answering(200, '{"items":[{"name":"dba","members":["peer"]}]}')))).toEqual({ items: [{ name: 'dba', members: ['peer'] }] });
  });
  test('stays as it is spelled where its spelling counts', async () => {
    const text = '{ "seq":7,\n"at" : "\\u00e9" }';
    const asked = { path: { seq: 7 }, ...answering(200, text) };
    expect(await api.askText(api.ledgerProof({ ...asked, parseAs: 'text' }))).toBe(text);
    await expect(api.askText(api.ledgerProof(asked))).rejects.toThrow('not asked as text');
  });
  test('that refuses says why, and what to do', async () => {
    const problem = { type: 'urn:ajar:problem:step_up_needed', title: 'Prove yourself.', status: 403, hint: 'Use your passkey.' };
    const refused: unknown = await api.ask(api.stepUp(answering(403, JSON.stringify(problem)))).catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 403, code: 'step_up_needed', message: 'Prove yourself.', hint: 'Use your passkey.', offline: false });
  });
  test('that is none of the server’s still says its status', async () => {
    const refused: unknown = await api.ask(api.me(answering(502, '<h1>Bad gateway</h1>', 'text/html'))).catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 502, code: 'unknown', message: 'The server answered 502.' });
  });
  test('that never comes is the network’s', async () => {
    const gone = { baseUrl: 'https://ajar.example.org', fetch: () => Promise.reject(new TypeError('gone')) };
    expect(await api.ask(api.me(gone)).catch((error: unknown) => error)).toMatchObject({ offline: true });
  });
  test('of 401 lets know that nobody is signed in', async () => {
    const out = vi.fn();
    api.onSignedOut(out);
    await api.ask(api.me(answering(401, '{"type":"urn:ajar:problem:unauthenticated","title":"Sign in.","status":401}'))).catch(() => {});
    expect(out).toHaveBeenCalledOnce();
  });
});
