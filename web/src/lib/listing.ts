// A list of requests, newest first, of which more and more is known: pure, so that it can be tested.
import type { Request } from './api';

export interface Filter {
  /** Empty: any. */
  state: string;
  resource: string;
  /** Whose alone; empty: everybody's. */
  of: string;
}

/** Ids begin with the time, so they order. */
const newest = (a: Request, b: Request) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);

/** Both, each once, as the later one says. */
export function merge(known: Request[], more: Request[]): Request[] {
  const all = new Map(known.map((request) => [request.id, request]));
  for (const request of more) all.set(request.id, request);
  return [...all.values()].sort(newest);
}

/** The same list, where what is in it is as `now` says. */
export function refreshed(known: Request[], now: Request[]): Request[] {
  const by = new Map(now.map((request) => [request.id, request]));
  return known.some((request) => by.has(request.id)) ? known.map((request) => by.get(request.id) ?? request) : known;
}

/** Whether it belongs into the list: as the server filters. */
export function fits(request: Request, filter: Filter): boolean {
  if (filter.state && request.state !== filter.state) return false;
  if (filter.resource && request.resource !== filter.resource) return false;
  return !filter.of || request.beneficiary === filter.of;
}

/** Whether it lies in what was loaded: newer than its end, or there is no end. */
export function within(known: Request[], request: Request, whole: boolean): boolean {
  const last = known.at(-1);
  return whole || last === undefined || request.id > last.id;
}
