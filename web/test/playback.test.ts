import { describe, expect, it } from 'vitest';
import { believed, Playback, type Frame, type Screen } from '../src/lib/recording/playback';
import { Heights } from '../src/lib/recording/window';

class Paper implements Screen {
  said: string[] = [];
  reset(cols: number, rows: number) {
    this.said = [`${cols}x${rows}`];
  }
  resize(cols: number, rows: number) {
    this.said.push(`${cols}x${rows}`);
  }
  output(text: string) {
    this.said.push(text);
  }
}

const S = 1_000_000;
const frames = (): Frame[] => [
  { at: 6 * S, text: 'a' },
  { at: 7 * S, text: 'b' },
  { at: 7 * S, cols: 40, rows: 10 },
  { at: 20 * S, text: 'c' },
];

function playback(all = frames()) {
  const paper = new Paper();
  return { paper, all, play: new Playback(all, [80, 24], 5 * S, paper) };
}
const END = 21 * S;

describe('playing', () => {
  it('shows frames when they came', () => {
    const { paper, play } = playback();
    play.skipping = false;
    play.tick(9 * S, END);
    expect(paper.said).toEqual(['80x24']);
    play.play(END);
    play.tick(1 * S - 1, END);
    expect(paper.said).toEqual(['80x24']);
    play.tick(1, END);
    expect(paper.said).toEqual(['80x24', 'a']);
    play.speed = 2;
    play.tick(0.5 * S, END);
    expect(paper.said).toEqual(['80x24', 'a', 'b', '40x10']);
    play.tick(60 * S, END);
    expect([play.at, play.playing, paper.said.at(-1)]).toEqual([END, false, 'c']);
    // From the beginning again.
    play.play(END);
    expect([play.at, play.playing, paper.said]).toEqual([5 * S, true, ['80x24']]);
  });

  it('cuts long waits short when told so', () => {
    const { play } = playback();
    play.play(END);
    play.tick(2 * S, END);
    play.tick(1, END);
    expect(play.at).toBe(19 * S);
    play.tick(1 * S, END);
    expect(play.at).toBe(20 * S);
  });

  it('jumps to any time, back from the beginning', () => {
    const { paper, play } = playback();
    play.seek(20 * S);
    expect(paper.said).toEqual(['80x24', 'ab', '40x10', 'c']);
    play.seek(6.5 * S);
    expect(paper.said).toEqual(['80x24', 'a']);
    play.seek(0);
    expect([play.at, paper.said]).toEqual([5 * S, ['80x24']]);
    play.step();
    expect([play.at, paper.said]).toEqual([6 * S, ['80x24', 'a']]);
  });

  it('follows what comes until somebody goes elsewhere', () => {
    const { paper, play, all } = playback();
    play.follow();
    all.push({ at: 22 * S, text: 'd' });
    play.grown();
    expect([play.at, paper.said.at(-1)]).toEqual([22 * S, 'd']);
    play.seek(6 * S);
    all.push({ at: 23 * S, text: 'e' });
    play.grown();
    expect([play.at, play.following]).toEqual([6 * S, false]);
  });

  it('goes on where it was when old frames are forgotten', () => {
    const { paper, play, all } = playback();
    play.seek(7 * S);
    all.splice(0, 2);
    play.forgotten(2);
    play.seek(20 * S);
    expect(paper.said).toEqual(['80x24', 'ab', '40x10', 'c']);
  });

  it('moves to another screen', () => {
    const { play } = playback();
    play.seek(7 * S);
    const other = new Paper();
    play.showOn(other);
    expect([other.said, play.at]).toEqual([['80x24', 'ab', '40x10'], 7 * S]);
  });

  it('a size that nobody has is not believed', () => {
    expect([believed(0, 0), believed(100, 30), believed(1e9, Number.NaN)]).toEqual([[80, 24], [100, 30], [1_000, 24]]);
  });
});

describe('rows that are seen', () => {
  it('are found by where they are', () => {
    const heights = new Heights(30, 50_000);
    expect(heights.seen(0, 300, 2)).toEqual([0, 13]);
    expect(heights.seen(30_000, 300, 2)).toEqual([998, 1_013]);
    expect(heights.total).toBe(1_500_000);
    expect(heights.seen(9e9, 300, 2)).toEqual([49_997, 50_000]);
    expect(new Heights(30, 0).seen(0, 300)).toEqual([0, 0]);
  });

  it('opened ones push the others down', () => {
    const heights = new Heights(30, 100);
    expect([heights.set(10, 130), heights.set(10, 130)]).toEqual([true, false]);
    expect([heights.top(10), heights.top(11), heights.total]).toEqual([300, 430, 3_100]);
    expect([heights.at(299), heights.at(300), heights.at(429), heights.at(430)]).toEqual([9, 10, 10, 11]);
    heights.set(10, 30);
    expect(heights.total).toBe(3_000);
  });
});
