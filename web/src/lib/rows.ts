// Where the rows of a long list are, and which of them are near what is seen: pure, so that it can be tested.

/** Rows that are drawn before and behind what is seen. */
const BEYOND = 20;
/** What is drawn changes by so many rows at once. */
const STEP = 10;
/** A border more or less, as of a last row, is no other height. */
const ALIKE = 1.5;

export class Rows {
  #heights = new Map<string, number>();
  #usual: number;

  /** `usual`: what a row's height is taken to be until one was measured, in pixels. */
  constructor(usual: number) {
    this.#usual = usual;
  }

  /** A row was measured. Whether it is of another height than it was taken to be. */
  measured(key: string, height: number): boolean {
    // One that is not shown has none.
    if (height <= 0) return false;
    const known = this.#heights.get(key);
    if (known !== undefined && Math.abs(known - height) < ALIKE) return false;
    const taken = known ?? this.#usual;
    if (this.#heights.size === 0) this.#usual = height;
    this.#heights.set(key, height);
    return taken !== height;
  }

  /** Nothing is as high as it was: the page has another width. */
  forget(): void {
    this.#heights.clear();
  }

  /** Where each row begins, and where the last one ends. */
  tops(keys: readonly string[]): number[] {
    const tops = [0];
    for (const key of keys) tops.push(tops[tops.length - 1]! + (this.#heights.get(key) ?? this.#usual));
    return tops;
  }
}

/** The row at a distance from where the first one begins; behind the last one, how many there are. */
export function at(tops: readonly number[], distance: number): number {
  let [from, to] = [0, tops.length - 1];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (tops[middle + 1]! <= distance) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The rows from and to (excluded) that are to be drawn when what is seen begins and ends at these distances. */
export function near(tops: readonly number[], begins: number, ends: number): [number, number] {
  const count = tops.length - 1;
  const from = Math.floor((at(tops, begins) - BEYOND) / STEP) * STEP;
  const to = Math.ceil((at(tops, ends) + 1 + BEYOND) / STEP) * STEP;
  return [Math.max(0, Math.min(from, count)), Math.min(count, Math.max(0, to))];
}
