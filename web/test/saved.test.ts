import { describe, expect, it } from 'vitest';
import { added, MOST, parse, renamed, without } from '../src/lib/saved';

const two = [
  { name: 'a', query: 'q=1' },
  { name: 'b', query: 'q=2' },
];

describe('saved searches', () => {
  it('are what was kept, and nothing else that may stand there', () => {
    expect(parse(JSON.stringify(two))).toEqual(two);
    expect(parse(null)).toEqual([]);
    expect(parse('{')).toEqual([]);
    expect(parse('{"name":"a"}')).toEqual([]);
    expect(parse('[null, 1, {"name":"a"}, {"name":"b","query":"q","more":1}]')).toEqual([{ name: 'b', query: 'q' }]);
  });
  it('have one name each', () => {
    expect(added(two, ' a ', 'q=3')).toEqual([two[1], { name: 'a', query: 'q=3' }]);
    expect(added(two, ' ', 'q=3')).toEqual(two);
    expect(renamed(two, 'a', 'b')).toEqual([{ name: 'b', query: 'q=1' }]);
    expect(renamed(two, 'a', 'c')).toEqual([{ name: 'c', query: 'q=1' }, two[1]]);
    expect(renamed(two, 'a', '')).toEqual(two);
    expect(without(two, 'a')).toEqual([two[1]]);
  });
  it('are not kept without end', () => {
    const many = Array.from({ length: MOST }, (_, n) => ({ name: `${n}`, query: '' }));
    const more = added(many, 'one more', '');
    expect(more).toHaveLength(MOST);
    expect(more.at(-1)?.name).toBe('one more');
  });
});
