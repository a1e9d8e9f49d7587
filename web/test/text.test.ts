import { expect, test } from 'vitest';
import { inert, line } from '../src/lib/text';

test('w02: what steers a reader is shown, what is written stays', () => {
  expect(inert('a\u202egpj.exe\u2066')).toBe('a\\u{202e}gpj.exe\\u{2066}');
  expect(inert('\u001b]8;;http://x\u0007y')).toBe('\\u{1b}]8;;http://x\\u{7}y');
  expect(inert('zero\u200bwidth \u{e0041}tag \ufeffbom')).toBe('zero\\u{200b}width \\u{e0041}tag \\u{feff}bom');
  expect(inert('<b>Ünïcödé 日本\n\ttab</b>')).toBe('<b>Ünïcödé 日本\n\ttab</b>');
});

test('a line is one line', () => {
  expect(line(' a\r\nb\t c ')).toBe('a\\u{d} b c');
});
