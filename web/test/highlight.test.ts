import { describe, expect, it } from 'vitest';
import { pieces } from '../src/lib/highlight';

const hits = (text: string, q: string) => pieces(text, q).filter(({ hit }) => hit).map((piece) => piece.text);

describe('highlights', () => {
  it('are what was looked for, in any case', () => {
    expect(hits('UPDATE orders SET status', 'update ORDERS')).toEqual(['UPDATE orders']);
  });
  it('are its words where the whole is not there', () => {
    expect(hits('select * from orders where order = 1', 'order orders status')).toEqual(['orders', 'order']);
  });
  it('take no pattern from the text', () => {
    expect(hits('select * from orders', '* from')).toEqual(['* from']);
    expect(hits('abc', '.')).toEqual([]);
    expect(hits('a(b', '(')).toEqual(['(']);
  });
  it('leave the text whole, on one line, and inert', () => {
    expect(pieces('a\nb\u202ec', 'b').map((piece) => piece.text).join('')).toBe('a b\\u{202e}c');
    expect(pieces('abc', '')).toEqual([{ text: 'abc', hit: false }]);
    expect(pieces('', 'x')).toEqual([]);
  });
});
