import { expect, test } from 'vitest';
import { inView } from '../src/lib/looked';
import { forShortcut } from '../src/lib/shortcut';
import { isLong } from '../src/lib/text';

test('a thing counts as in view when most of it is, or when it fills most of the window', () => {
  expect(inView(300, 400, 800)).toBe(true);
  expect(inView(200, 400, 800)).toBe(false);
  expect(inView(600, 3_000, 800)).toBe(true);
  expect(inView(0, 0, 800)).toBe(false);
});

test('a reason is long by its letters or its lines', () => {
  expect(isLong('short')).toBe(false);
  expect(isLong('x'.repeat(421))).toBe(true);
  expect(isLong('a\n'.repeat(6))).toBe(true);
});

const pressed = { key: 'a', ctrlKey: false, metaKey: false, altKey: false, defaultPrevented: false, isComposing: false, repeat: false };
/** An element of which these selectors hold. */
const inside = (...names: string[]) => ({ closest: (selectors: string) => (names.some((name) => selectors.split(/,\s*/).includes(name)) ? ({} as Element) : null) });

test('a key is a shortcut where nobody types and no dialog is open', () => {
  expect(forShortcut(pressed, inside(), false)).toBe(true);
  expect(forShortcut(pressed, inside('button'), false)).toBe(true);
  expect(forShortcut(pressed, inside('textarea'), false)).toBe(false);
  expect(forShortcut(pressed, inside(), true)).toBe(false);
  for (const held of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }, { defaultPrevented: true }, { isComposing: true }]) {
    expect(forShortcut({ ...pressed, ...held }, inside(), false)).toBe(false);
  }
});

test('a key that is held down decides nothing more', () => {
  expect(forShortcut({ ...pressed, repeat: true }, inside(), false)).toBe(false);
});

test('Enter belongs to what it presses', () => {
  expect(forShortcut({ ...pressed, key: 'Enter' }, inside('button'), false)).toBe(false);
  expect(forShortcut({ ...pressed, key: 'Enter' }, inside(), false)).toBe(true);
});
