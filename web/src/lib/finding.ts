// What a search page's address says, where what was found is shown, and what one might ask first.
import type { Found, SearchData, SearchFacets } from './api';
import { periodOf } from './period';

type Query = NonNullable<SearchData['query']>;
export type Place = NonNullable<Query['in']>;
export type FacetName = keyof SearchFacets;
/** What to look for: a search's query, as far as it isn't about pages and files. */
export type Question = Omit<Query, 'in' | 'before' | 'limit' | 'format'> & { in: Place };

export const PLACES: Record<Place, string> = { requests: 'Requests', sessions: 'Sessions', statements: 'Statements', events: 'Events' };
export const FACETS: Record<FacetName, string> = { person: 'Person', resource: 'Resource', role: 'Role', state: 'State', kind: 'Kind' };

export const NAMES = Object.keys(FACETS) as FacetName[];

function isPlace(word: string | null): word is Place {
  return word !== null && Object.hasOwn(PLACES, word);
}

/** The question that the page's query asks now. */
export function questionOf(query: URLSearchParams, now: Date = new Date()): Question {
  const place = query.get('in');
  const { from, to } = periodOf(query, now);
  const question: Question = { in: isPlace(place) ? place : 'requests' };
  const q = query.get('q')?.trim();
  if (q) question.q = q;
  for (const name of NAMES) {
    const value = query.get(name);
    if (value) question[name] = value;
  }
  if (from) question.from = from;
  if (to) question.to = to;
  return question;
}

/** Whether nothing narrows it: not a text, not a time, not a facet. */
export function isBlank({ in: _, ...rest }: Question): boolean {
  return Object.keys(rest).length === 0;
}

/** The page that shows what was found, null when there is none; a recording at its second, with what was looked for. */
export function pageOf(found: Found, q?: string): string | null {
  const session = found.session && `sessions/${found.session}`;
  switch (found.what) {
    case 'request':
      return `requests/${found.id}`;
    case 'session':
      return `sessions/${found.id}`;
    case 'statement': {
      if (!session) return null;
      const query = new URLSearchParams();
      if (typeof found.at_in_session === 'number') query.set('at', String(found.at_in_session));
      if (q) query.set('q', q);
      return query.size ? `${session}?${query}` : session;
    }
    case 'event':
      return typeof found.seq === 'number' ? `ledger/${found.seq}` : null;
    default:
      return null;
  }
}

export interface Suggestion {
  text: string;
  query: string;
}

/** Questions to begin with. `resource`: one that there is. */
export function suggestions(me: string, resource: string | undefined): Suggestion[] {
  const ask = (text: string, query: Record<string, string>) => ({ text, query: new URLSearchParams(query).toString() });
  return [
    ...(resource
      ? [
          ask(`Who was in ${resource} last week`, { in: 'sessions', resource, t: 'last-week' }),
          ask(`What was done in ${resource} in the last 7 days`, { in: 'statements', resource, t: '7d' }),
        ]
      : []),
    ask('What was denied this quarter', { in: 'requests', state: 'denied', t: 'quarter' }),
    ask('Statements with “delete”, last 30 days', { in: 'statements', q: 'delete', t: '30d' }),
    ask('What I asked for in the last 90 days', { in: 'requests', person: me, t: '90d' }),
  ];
}
