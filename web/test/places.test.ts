import { expect, test } from 'vitest';
import { listOf, LISTS } from '../src/lib/places';

test('a page that is not there lies in a list, which is', () => {
  expect(listOf('requests/req_1/nothing')).toBe(LISTS.requests);
  expect(listOf('sessions/a/b')).toBe(LISTS.sessions);
  expect(listOf('resources/a/b')?.path).toBe('resources');
  expect(listOf('ledger/3/x')?.words).toBe('All events');
  expect(['nowhere', '', 'requestsx/1', 'constructor'].map(listOf)).toEqual([null, null, null, null]);
});
