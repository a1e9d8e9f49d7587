// Searches that somebody has named, in this browser only: for each person who signs in here, their own.

export interface Saved {
  name: string;
  /** The page's query: `in=sessions&t=last-week`. */
  query: string;
}

/** The most that are kept. */
export const MOST = 50;

const key = (person: string) => `ajar-searches:${person}`;

/** What is kept; whatever else stands there is passed over. */
export function parse(text: string | null): Saved[] {
  let found: unknown;
  try {
    found = JSON.parse(text ?? '[]');
  } catch {
    return [];
  }
  if (!Array.isArray(found)) return [];
  return found
    .filter((one): one is Saved => typeof one?.name === 'string' && typeof one?.query === 'string')
    .map(({ name, query }) => ({ name, query }))
    .slice(0, MOST);
}

/** With one more, by its name: what had this name before is replaced. */
export function added(list: Saved[], name: string, query: string): Saved[] {
  const wanted = name.trim();
  if (!wanted) return list;
  return [...list.filter((one) => one.name !== wanted), { name: wanted, query }].slice(-MOST);
}

/** One of them under another name, in its place. */
export function renamed(list: Saved[], from: string, to: string): Saved[] {
  const wanted = to.trim();
  if (!wanted || wanted === from) return list;
  return list.filter((one) => one.name !== wanted).map((one) => (one.name === from ? { ...one, name: wanted } : one));
}

export function without(list: Saved[], name: string): Saved[] {
  return list.filter((one) => one.name !== name);
}

export function read(person: string): Saved[] {
  try {
    return parse(localStorage.getItem(key(person)));
  } catch {
    return [];
  }
}

/** Whether they could be kept: a browser may refuse. */
export function keep(person: string, list: Saved[]): boolean {
  try {
    localStorage.setItem(key(person), JSON.stringify(list));
    return true;
  } catch {
    return false;
  }
}
