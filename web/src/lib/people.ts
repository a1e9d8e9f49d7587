// Who there is, as far as the reader may know.
import type { Person } from './api';

/** Those whose name, manager or group has every word of `query`; all of them for none. */
export function found(people: Person[], query: string): Person[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (person: Person) => [person.name, person.kind, person.manager ?? '', ...person.groups].join(' ').toLowerCase();
  return people.filter((person) => words.every((word) => text(person).includes(word)));
}
