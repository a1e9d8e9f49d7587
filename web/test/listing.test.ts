import { expect, test } from 'vitest';
import type { Request } from '../src/lib/api';
import { fits, merge, refreshed, within } from '../src/lib/listing';
import * as made from './made';

const request = (id: string, more: Partial<Request> = {}) => made.request({ id, ...more });
const ids = (list: Request[]) => list.map((one) => one.id).join('');

test('the newest first, each once, as was said last', () => {
  const both = merge([request('c'), request('a')], [request('b'), request('c', { state: 'denied' })]);
  expect(ids(both)).toBe('cba');
  expect(both[0]?.state).toBe('denied');
});

test('what changed is changed in its place; what is not there stays away', () => {
  const known = [request('b'), request('a')];
  const now = refreshed(known, [request('a', { state: 'approved' }), request('x')]);
  expect(ids(now)).toBe('ba');
  expect(now[1]?.state).toBe('approved');
  expect(refreshed(known, [request('x')])).toBe(known);
});

test('only what fits the filters and lies in what was loaded', () => {
  expect(fits(request('a'), { state: '', resource: '', of: '' })).toBe(true);
  expect(fits(request('a'), { state: 'denied', resource: '', of: '' })).toBe(false);
  expect(fits(request('a'), { state: '', resource: 'web-1', of: '' })).toBe(false);
  expect(fits(request('a', { requester: 'peer' }), { state: '', resource: '', of: 'dev' })).toBe(true);
  expect(fits(request('a', { beneficiary: 'peer' }), { state: '', resource: '', of: 'dev' })).toBe(false);
  expect(within([request('c'), request('b')], request('a'), false)).toBe(false);
  expect(within([request('c'), request('b')], request('a'), true)).toBe(true);
  expect(within([], request('a'), false)).toBe(true);
});
