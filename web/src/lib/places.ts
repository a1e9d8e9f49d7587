// Lists that a thing of the pages belongs to: where to look when the thing itself isn't there.

export interface Place {
  /** Below the base. */
  path: string;
  words: string;
}

export const LISTS = {
  requests: { path: 'requests', words: 'All requests' },
  sessions: { path: 'sessions', words: 'All sessions' },
  resources: { path: 'resources', words: 'All resources' },
  ledger: { path: 'ledger', words: 'All events' },
} satisfies Record<string, Place>;

/** The list that a path lies in: of `requests/x/y` the requests; null when it lies in none. */
export function listOf(path: string): Place | null {
  const first = path.split('/')[0] ?? '';
  return Object.values(LISTS).find((place) => place.path === first) ?? null;
}
