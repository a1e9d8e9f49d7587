import { describe, expect, it } from 'vitest';
import type { LedgerProof } from '../src/lib/api';
import { hex, leafHash, unhex } from '../src/lib/merkle';
import { check } from '../src/lib/proof';

const bytes = (text: string) => new TextEncoder().encode(text);
const base64 = (of: Uint8Array) => btoa(String.fromCharCode(...of));
const sha256 = async (of: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest('SHA-256', of));

const EVENTS = [0, 1].map((seq) =>
  JSON.stringify({ seq, stream: 'req_1', version: seq, kind: 'request.filed', schema: 1, at: '2026-11-26T10:00:00.000Z', actor: null, cause: 'cmd_1', body: {} }),
);

/** A ledger of two events, and the proof of one of them: nothing in it is wrong. */
async function proofOf(seq: 0 | 1): Promise<LedgerProof> {
  const leaves = await Promise.all(EVENTS.map((event) => leafHash(bytes(event))));
  const root = await sha256(new Uint8Array([1, ...unhex(leaves[0]!)!, ...unhex(leaves[1]!)!]));
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  const typed = new Uint8Array([1, ...new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))]);
  const id = (await sha256(new Uint8Array([...bytes('log\n'), ...typed]))).slice(0, 4);
  const note = `log\n2\n${base64(root)}\n`;
  const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, bytes(note)));
  return {
    seq, kind: 'request.filed', at: '2026-11-26T10:00:00.000Z', event: EVENTS[seq]!, leaf_hash: leaves[seq]!, size: 2, path: [leaves[1 - seq]!],
    root: hex(root), checkpoint: `${note}\n— log ${base64(new Uint8Array([...id, ...signature]))}\n`, key: `log+${hex(id)}+${base64(typed)}`,
  } as LedgerProof;
}

describe('a proof', () => {
  it('i17: of the event that was asked for holds', async () => {
    const { ok, checks } = await check(await proofOf(1), 1);
    expect(checks.map(({ state }) => state)).toEqual(Array.from({ length: checks.length }, () => 'good'));
    expect(ok).toBe(true);
    expect(checks[0]?.words).toBe('The proof is of event 1, which you asked for.');
  });

  it('i17: of another event proves nothing, though all of it holds', async () => {
    const { ok, checks, walk } = await check(await proofOf(0), 1);
    expect(walk.ok).toBe(true);
    expect(checks.filter(({ state }) => state === 'bad').map(({ words }) => words)).toEqual(['You asked for event 1: the proof is of event 0.']);
    expect(ok).toBe(false);
  });

  it('i17: whose text is another event’s is found, whatever number stands beside it', async () => {
    const { ok, checks } = await check({ ...(await proofOf(0)), seq: 1 }, 1);
    expect(checks[0]?.state).toBe('good');
    expect(ok).toBe(false);
  });

  it('i17: is of no event when the address has no number', async () => {
    expect((await check(await proofOf(0), NaN)).ok).toBe(false);
  });
});
