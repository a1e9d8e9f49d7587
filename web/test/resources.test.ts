import { expect, test } from 'vitest';
import type { Resource } from '../src/lib/api';
import { find, readAsks, usualRole, writeAsks } from '../src/lib/resources';

const made = (name: string, more: Partial<Resource> = {}): Resource => ({ name, kind: 'postgres', description: '', labels: {}, roles: ['read'], open: [], ...more });
const all = [made('billing-db', { description: 'Invoices of orders' }), made('orders-db', { labels: { env: 'prod' } }), made('web-orders', { kind: 'ssh' }), made('orders')];
const names = (query: string) => find(all, query).map((resource) => resource.name);

test('the nearest names come first, then labels, then what it is', () => {
  expect(names('orders')).toEqual(['orders', 'orders-db', 'web-orders', 'billing-db']);
  expect(names('env=prod')).toEqual(['orders-db']);
  expect(names('ssh')).toEqual(['web-orders']);
  expect(names('ORDERS invoices')).toEqual(['billing-db']);
  expect(names('nothing')).toEqual([]);
  expect(names('  ')).toHaveLength(4);
});

test('several roles on resources in a link', () => {
  const asks = readAsks('orders-db/write, web-1,,');
  expect(asks).toEqual([{ resource: 'orders-db', role: 'write' }, { resource: 'web-1', role: '' }]);
  expect(writeAsks([...asks, { resource: '', role: '' }])).toBe('orders-db/write,web-1');
  expect(readAsks(null)).toEqual([]);
});

test('the role that is meant when none is said', () => {
  expect(usualRole(made('a', { roles: ['x', 'y'], default_role: 'y' }))).toBe('y');
  expect(usualRole(made('a', { roles: ['x'] }))).toBe('x');
  expect(usualRole(made('a', { roles: ['x', 'y'] }))).toBeUndefined();
});
