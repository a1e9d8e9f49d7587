// The server, by its own description: everything here goes through the public API.
import { client } from '../api/client.gen';
import type { Problem } from '../api/types.gen';

export * from '../api/sdk.gen';
export type * from '../api/types.gen';

/** Where the pages lie, with a slash at the end. */
export const base = new URL(document.baseURI).pathname.replace(/[^/]*$/, '');

// A request with this header can only be ours: no form and no other site can send it.
client.setConfig({ baseUrl: base.replace(/\/$/, ''), headers: { 'ajar-web': '1' }, credentials: 'same-origin' });

/** Where something of the API is, for links and for what the browser reads by itself: `address<SearchData>({ url: '/api/v1/search', query })`. */
export const address = client.buildUrl;

/** A refusal by the server, or no answer at all. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    title: string,
    readonly detail: string | null = null,
    readonly hint: string | null = null,
    readonly problems: string[] = [],
    /** Which part of what was said it is about, by its name in the API. */
    readonly field: string | null = null,
  ) {
    super(title);
  }
  /** Nobody answered: the network or the server is gone. */
  get offline(): boolean {
    return this.status === 0;
  }
}

type Answer<T> = { data: T; error: undefined } | { data: undefined; error: unknown };

function refused(error: unknown, response: Response | undefined): Refused {
  const status = response?.status ?? 0;
  if (!response) return new Refused(0, 'offline', 'The server does not answer.', null, 'It is tried again as soon as it is there.');
  const problem = typeof error === 'object' && error !== null ? (error as Partial<Problem>) : {};
  const code = problem.type?.replace('urn:ajar:problem:', '') ?? 'unknown';
  const title = problem.title ?? (status === 429 ? 'Too much at once: wait a moment.' : `The server answered ${status}.`);
  return new Refused(status, code, title, problem.detail ?? null, problem.hint ?? null, problem.problems ?? [], problem.field ?? null);
}

let signedOut: () => void = () => {};
/** What to do when the server doesn't know us any more. */
export function onSignedOut(then: () => void): void {
  signedOut = then;
}

/** What the server answers; throws {@link Refused}. `await ask(requestList({ query }))`. */
export async function ask<T>(call: Promise<Answer<T> & { response?: Response }>): Promise<T> {
  let answer;
  try {
    answer = await call;
  } catch {
    throw refused(undefined, undefined);
  }
  if (answer.error !== undefined || (answer.response && !answer.response.ok)) {
    const error = refused(answer.error, answer.response);
    if (error.status === 401) signedOut();
    throw error;
  }
  return answer.data as T;
}

/** The answer as it is spelled, of something asked with `parseAs: 'text'`; throws {@link Refused}. */
export async function askText(call: Promise<Answer<unknown> & { response?: Response }>): Promise<string> {
  const text = await ask(call);
  if (typeof text !== 'string') throw new TypeError('This was not asked as text.');
  return text;
}

/** What was thrown, as something to show. */
export function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  return new Refused(-1, 'page', 'Something is wrong with this page.', String(error));
}
