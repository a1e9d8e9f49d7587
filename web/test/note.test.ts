import { describe, expect, it } from 'vitest';
import { checkpoint, signedBy } from '../src/lib/note';

// As `ajar ledger checkpoint` and `ajar ledger key` of a demo gave them.
const NOTE =
  'ajar-ledger\n16\nUfk0PnPWlMLMViSl2Vnur07C1Qi9MugGLCWyqv1dUDk=\n\n' +
  '— ajar-ledger 2YnZU8pEYooyMN0AYjG5Lo4EH9B5o9lkI21MImyKRczNw2R4XfMh8oKyaN+9hG/qVBw6HiwInfo2FhWtMQle6wxT5g8=\n';
const KEY = 'ajar-ledger+d989d953+Abynl3HFdv1Thpy4Fw8Nhh198gYEdSikc/1G2t7OfFkh';

describe('signed checkpoints', () => {
  it('says what the note says', () => {
    expect(checkpoint(NOTE)).toEqual({ origin: 'ajar-ledger', size: 16, root: '51f9343e73d694c2cc5624a5d959eeaf4ec2d508bd32e8062c25b2aafd5d5039' });
    expect(checkpoint('ajar-ledger\n016\nUfk0PnPWlMLMViSl2Vnur07C1Qi9MugGLCWyqv1dUDk=\n')).toBeNull();
    expect(checkpoint('ajar-ledger\n16\nUfk0\n')).toBeNull();
    expect(checkpoint('')).toBeNull();
  });

  it('believes the signature of the key, with its newline at the end or without', async () => {
    expect(await signedBy(NOTE, KEY)).toBe('yes');
    expect(await signedBy(NOTE, `${KEY}\n`)).toBe('yes');
    expect(await signedBy(`${NOTE}— witness AAAA\n`, KEY)).toBe('yes');
  });

  it.each([
    ['another size', NOTE.replace('\n16\n', '\n17\n'), KEY],
    ['another log', NOTE.replace('ajar-ledger\n', 'another\n'), KEY],
    ['another signature', NOTE.replace('2YnZU8pE', '2YnZU8pF'), KEY],
    ['no signature', NOTE.split('—')[0]!, KEY],
    ['no text', '', KEY],
    ['a key whose id is not its own', NOTE, KEY.replace('d989d953', 'd989d954')],
    ['another key', NOTE, KEY.replace('Abynl3HF', 'Abynl3HG')],
    ['no key', NOTE, ''],
  ])('does not believe %s', async (_, note, key) => {
    expect(await signedBy(note, key)).toBe('no');
  });
});
