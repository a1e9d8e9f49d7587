// Which rows of a long list are drawn: those that are seen. All rows are as high as each other, but for the opened ones.

export class Heights {
  /** What opened rows have beyond a usual row's height, by place. */
  #extra = new Map<number, number>();

  constructor(
    public row: number,
    public count: number,
  ) {}

  /** Whether that was news. */
  set(place: number, height: number): boolean {
    const extra = Math.max(0, height - this.row);
    if ((this.#extra.get(place) ?? 0) === extra) return false;
    if (extra === 0) this.#extra.delete(place);
    else this.#extra.set(place, extra);
    return true;
  }

  clear(): void {
    this.#extra.clear();
  }

  /** Where a row begins. */
  top(place: number): number {
    let top = place * this.row;
    for (const [at, extra] of this.#extra) if (at < place) top += extra;
    return top;
  }

  get total(): number {
    return this.top(this.count);
  }

  /** The row at a distance from the top. */
  at(distance: number): number {
    let [from, to] = [0, this.count];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.top(middle + 1) <= distance) from = middle + 1;
      else to = middle;
    }
    return Math.min(from, Math.max(0, this.count - 1));
  }

  /** The rows from and to (excluded) that are to be drawn, with some beyond what is seen. */
  seen(scrolled: number, height: number, beyond = 8): [number, number] {
    if (this.count === 0) return [0, 0];
    return [Math.max(0, this.at(scrolled) - beyond), Math.min(this.count, this.at(scrolled + height) + 1 + beyond)];
  }
}
