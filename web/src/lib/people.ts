// Who there is, as far as the reader may know.

export interface Person {
  name: string;
  kind: string;
  groups: string[];
  manager?: string | null;
  enabled: boolean;
  locked: boolean;
  away?: { until: string; delegate?: string | null } | null;
}

export interface Group {
  name: string;
  members: string[];
}

/** Those whose name, manager or group has every word of `query`; all of them for none. */
export function found(people: Person[], query: string): Person[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (person: Person) => [person.name, person.kind, person.manager ?? '', ...person.groups].join(' ').toLowerCase();
  return people.filter((person) => words.every((word) => text(person).includes(word)));
}
