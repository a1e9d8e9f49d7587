import { describe, expect, test } from 'vitest';
import { hintHere, refusalWords } from '../src/lib/refusal';

const refused = (more: Partial<Parameters<typeof refusalWords>[0]>) => ({ status: 404, message: 'there is no request, or it is not yours to see', detail: null, hint: null, field: null, ...more });

describe('a refusal on a page', () => {
  test('of what is not there, or hidden, says no more than that', () => {
    expect(refusalWords(refused({ hint: "'ajar requests' shows those that you may see" }))).toEqual({ title: 'Not there, or not for you to see.', message: null, detail: null, hint: null });
  });
  test('of what is asked for says what is wrong with it, though the status is the same', () => {
    const words = refusalWords(refused({ message: 'a reason of 5 characters or more is needed', field: 'reason', detail: 'rule engineers-write-orders asks for it' }));
    expect(words).toEqual({ title: 'A reason of 5 characters or more is needed', message: null, detail: 'rule engineers-write-orders asks for it', hint: null });
  });
  test('of what is for others says for whom', () => {
    expect(refusalWords(refused({ status: 403, message: 'the ledger is for auditors and operators' }))).toMatchObject({ title: 'This is not for you.', message: 'the ledger is for auditors and operators' });
  });
});

describe('a hint on a page', () => {
  const here = (hint: string | null, status = 404) => hintHere({ hint, status });
  test('keeps what can be done anywhere, and leaves out what is to be typed', () => {
    expect(here('you can ask for: read, write')).toBe('you can ask for: read, write');
    expect(here(`'ajar grants' shows your own; ask for \`may = ["audit"]\` in the people files`)).toBe('ask for `may = ["audit"]` in the people files');
    expect(here('--reason "INC-7: fix stuck order" (from a client: PGOPTIONS="-c ajar.reason=INC-7" psql, AJAR_REASON=INC-7 ssh)')).toBeNull();
    expect(here("'ajar ls' shows what you can ask for")).toBeNull();
    expect(here(null)).toBeNull();
  });
  test('keeps its command where the server is what is wrong', () => {
    expect(here("tell whoever operates Ajar to run 'ajar doctor'", 503)).toBe("tell whoever operates Ajar to run 'ajar doctor'");
  });
});
