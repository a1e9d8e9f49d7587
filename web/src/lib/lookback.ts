// Looking back: what was asked, done and decided, found again; and every access of a time.
import { call } from './api';
import type { Entry } from './entries';
import type { FacetName, Place } from './finding';

/** What to look for. Instants are RFC 3339. */
export interface Question {
  in: Place;
  q?: string;
  person?: string;
  resource?: string;
  role?: string;
  state?: string;
  kind?: string;
  from?: string;
  to?: string;
}

export interface Found {
  what: 'request' | 'session' | 'statement' | 'event';
  id: string;
  at: string;
  who: string;
  resource?: string | null;
  role?: string | null;
  state?: string | null;
  /** `postgres`, `http` or `ssh`; the kind of an event. */
  kind?: string | null;
  /** A reason, a statement, an event in words. */
  text: string;
  request?: string | null;
  grant?: string | null;
  session?: string | null;
  /** Where in the session a statement is, in seconds. */
  at_in_session?: number | null;
  /** An event's number in the ledger. */
  seq?: number | null;
}

export interface FacetValue {
  value: string;
  count: number;
}

export interface FoundPage {
  items: Found[];
  next?: string | null;
  facets: Partial<Record<FacetName, FacetValue[]>>;
  /** How far back a bounded search went. */
  searched_to?: string | null;
}

export function search(question: Question, before?: string, limit = 50): Promise<FoundPage> {
  return call('GET', 'search', undefined, { ...question, before, limit });
}

export interface Access {
  grant: string;
  request: string;
  person: string;
  requester: string;
  resource: string;
  role: string;
  reason?: string | null;
  ticket?: string | null;
  reviewers: { name: string; verdict: string; at: string; beforehand: boolean; afterwards?: boolean }[];
  automatic: boolean;
  emergency: boolean;
  rules: string[];
  opened_at: string;
  ended_at?: string | null;
  ended_because?: string | null;
  /** The grant that goes on with it. */
  extended_by?: string | null;
  proven_gone_at?: string | null;
  sessions: number;
  statements: number;
  /** Numbers in the ledger: filing, approval, opening, closing, proof. */
  events: number[];
}

export interface AccessQuestion {
  from?: string;
  to?: string;
  person?: string;
  resource?: string;
}

export function accesses(question: AccessQuestion, before?: string, limit = 500): Promise<{ items: Access[]; next?: string | null }> {
  return call('GET', 'accesses', undefined, { ...question, before, limit });
}

export async function catalogue(): Promise<Entry[]> {
  return (await call<{ items: Entry[] }>('GET', 'catalogue')).items;
}
