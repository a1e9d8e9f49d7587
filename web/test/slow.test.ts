import { createRawSnippet } from 'svelte';
import { render } from 'svelte/server';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PATIENCE, waiting } from '../src/lib/slow';

describe('a wait', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('says that it is one after four seconds, and takes it back when it is over', () => {
    const said: boolean[] = [];
    const over = waiting((slow) => said.push(slow));
    vi.advanceTimersByTime(PATIENCE - 1);
    expect(said).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(said).toEqual([true]);
    over();
    expect(said).toEqual([true, false]);
  });

  test('that is short says nothing', () => {
    const said: boolean[] = [];
    waiting((slow) => said.push(slow))();
    vi.advanceTimersByTime(60_000);
    expect(said).toEqual([false]);
  });
});

test('a busy button is busy for a screen reader too, and has a place where the wait is said', async () => {
  vi.stubGlobal('location', new URL('https://ajar.example.org/ajar/'));
  vi.stubGlobal('document', { baseURI: 'https://ajar.example.org/ajar/' });
  vi.stubGlobal('addEventListener', () => {});
  const { default: Button } = await import('../src/ui/Button.svelte');
  const children = createRawSnippet(() => ({ render: () => '<b>Approve</b>' }));
  const busy = render(Button, { props: { busy: true, children } }).body;
  expect(busy).toMatch(/<button[^>]* disabled[^>]* aria-busy="true"/);
  expect(busy).toMatch(/<\/button>.*<span class="visually-hidden[^"]*" role="status"><\/span>/s);
  const idle = render(Button, { props: { children } }).body;
  expect(idle).not.toContain('role="status"');
  expect(idle).toMatch(/aria-busy="false"/);
});
