// @vitest-environment node
import { beforeEach, expect, test, vi } from 'vitest';
import { Draft, isPath, rulesFirst } from '../src/lib/draft.svelte';

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('sessionStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) });
});

test('a draft is what is in force with its changes, and nothing once they are taken back', () => {
  const draft = new Draft(() => ({ 'a.toml': 'a', 'b.toml': 'b' }));
  draft.write('a.toml', 'A');
  draft.write('c.toml', 'c');
  draft.remove('b.toml');
  expect(draft.files).toEqual({ 'a.toml': 'A', 'c.toml': 'c' });
  expect(draft.paths.map((path) => [path, draft.state(path)])).toEqual([
    ['a.toml', 'changed'],
    ['b.toml', 'removed'],
    ['c.toml', 'new'],
  ]);
  draft.write('a.toml', 'a');
  draft.forget('b.toml');
  draft.remove('c.toml');
  expect(draft.isEmpty).toBe(true);
});

test('a draft is there again in the same tab', () => {
  new Draft(() => ({})).write('x.toml', 'x');
  expect(new Draft(() => ({})).files).toEqual({ 'x.toml': 'x' });
});

test('paths stay inside the folder', () => {
  expect(['rules.toml', 'teams/orders.toml', '../x.toml', '/etc/x.toml', 'x.txt', 'a//b.toml', ''].map(isPath)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('the rules are what one begins with, wherever they are', () => {
  expect(rulesFirst({ 'people.toml': '# [[rule]]\n', 'rules.toml': '# Ours\n[[rule]]\nname = "x"' })).toBe('rules.toml');
  expect(rulesFirst({ 'b.toml': '', 'a.toml': '' })).toBe('a.toml');
  expect(rulesFirst({})).toBe('');
});
