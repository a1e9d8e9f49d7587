import { describe, expect, it } from 'vitest';
import { hex, leafHash, unhex, walk, way, type Hash } from '../src/lib/merkle';

// The reference tree of the Certificate Transparency repositories: eight leaves, and the root at each size.
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
// [leaf, size, proof]
const INCLUSION: [number, number, Hash[]][] = [
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];
// Leaves of the reference tree whose bytes are text.
const text = (leaf: number) => new TextDecoder().decode(unhex(LEAVES[leaf]!)!);

describe('the tree of RFC 6962', () => {
  it('hashes leaves as the published vectors do', async () => {
    expect(await leafHash(new Uint8Array())).toBe(ROOTS[0]);
    expect(await leafHash(unhex('00')!)).toBe('96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7');
  });

  it.each(INCLUSION)('proves leaf %i of %i', async (leaf, size, path) => {
    const walked = await walk(text(leaf), leaf, size, path, ROOTS[size - 1]!);
    expect(walked.ok).toBe(true);
    expect(walked.steps.at(-1)?.parent).toBe(ROOTS[size - 1]);
  });

  it('proves the only leaf with no hashes', async () => {
    expect((await walk('', 0, 1, [], ROOTS[0]!)).ok).toBe(true);
  });

  it.each(INCLUSION)('finds a changed leaf, path, index, size and root (%i of %i)', async (leaf, size, path) => {
    const root = ROOTS[size - 1]!;
    const flipped = path.map((hash, at) => (at === 0 ? hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) : hash));
    for (const changed of [
      walk(`${text(leaf)}x`, leaf, size, path, root),
      walk(text(leaf), leaf, size, flipped, root),
      walk(text(leaf), leaf, size, path.slice(1), root),
      walk(text(leaf), leaf, size, [...path, path[0]!], root),
      walk(text(leaf), leaf === 0 ? 1 : leaf - 1, size, path, root),
      walk(text(leaf), leaf, size * 8, path, root),
      walk(text(leaf), leaf, size, path, ROOTS[(size + 1) % ROOTS.length]!),
      walk(text(leaf), size, size, path, root),
      walk(text(leaf), leaf, size, ['no hash', ...path.slice(1)], root),
    ]) {
      expect((await changed).ok).toBe(false);
    }
  });

  it('says which events each step covers', () => {
    expect(way(4, 7)).toEqual([
      { own: [4, 5], beside: [5, 6], side: 'right' },
      { own: [4, 6], beside: [6, 7], side: 'right' },
      { own: [4, 7], beside: [0, 4], side: 'left' },
    ]);
    expect(way(6, 7)).toEqual([
      { own: [6, 7], beside: [4, 6], side: 'left' },
      { own: [4, 7], beside: [0, 4], side: 'left' },
    ]);
    expect(way(0, 1)).toEqual([]);
    expect(way(2 ** 40, 2 ** 40 + 1)).toEqual([{ own: [2 ** 40, 2 ** 40 + 1], beside: [0, 2 ** 40], side: 'left' }]);
    expect(way(0, 0)).toBeNull();
    expect(way(-1, 3)).toBeNull();
    expect(way(1.5, 3)).toBeNull();
  });

  it('reads and writes hexadecimal', () => {
    expect(hex(unhex('00ff10')!)).toBe('00ff10');
    expect(unhex('0')).toBeNull();
    expect(unhex('0G')).toBeNull();
  });
});
