// A long list that scrolls with the page: only the rows near what is seen are drawn, with room for the others above and below. A short one is
// drawn whole; where it is and how high its rows are is known all the same, so that nothing moves when it becomes a long one.
import { at, near, Rows } from './rows';

/** More rows than this are a long list. */
const MANY = 200;

export class Drawn<T> {
  readonly #items: () => T[];
  readonly #key: (item: T, place: number) => string;
  readonly #rows: Rows;
  /** Counts up when rows turn out to be of other heights. */
  #measured = $state(0);
  /** What is seen, from where the first row begins, in pixels. */
  #begins = $state(0);
  #ends = $state(0);
  #keys = new WeakMap<Element, string>();
  #sizes = new ResizeObserver((changes) => this.#measure(changes.map(({ target }) => target)));

  readonly long: boolean = $derived.by(() => this.#items().length > MANY);
  readonly #tops: number[] = $derived.by(() => {
    void this.#measured;
    return this.long ? this.#rows.tops(this.#items().map(this.#key)) : [];
  });
  // As numbers, so that scrolling by a bit changes nothing.
  readonly #from: number = $derived.by(() => (this.long ? near(this.#tops, this.#begins, this.#ends)[0] : 0));
  readonly #to: number = $derived.by(() => (this.long ? near(this.#tops, this.#begins, this.#ends)[1] : this.#items().length));

  /** The place of the first row that is drawn. */
  readonly first: number = $derived.by(() => this.#from);
  readonly items: T[] = $derived.by(() => (this.long ? this.#items().slice(this.#from, this.#to) : this.#items()));
  /** Room for those that are not drawn, in pixels. */
  readonly above: number = $derived.by(() => this.#tops[this.#from] ?? 0);
  readonly below: number = $derived.by(() => (this.#tops.at(-1) ?? 0) - (this.#tops[this.#to] ?? 0));

  /** `key`: by what a row is known; `usual`: about how high one is, in pixels. */
  constructor(items: () => T[], key: (item: T, place: number) => string, usual: number) {
    this.#items = items;
    this.#key = key;
    this.#rows = new Rows(usual);
    // The browser would hold on to the row that has the focus, and stop where that is drawn no more; we hold what is seen ourselves.
    $effect(() => {
      if (!this.long) return;
      document.documentElement.style.overflowAnchor = 'none';
      return () => document.documentElement.style.removeProperty('overflow-anchor');
    });
  }

  #measure(elements: Element[]): void {
    const [tops, first] = [this.#tops, this.#begins > 0 ? at(this.#tops, this.#begins) : 0];
    let other = false;
    // To the fraction of a pixel: over many rows it adds up.
    for (const one of elements) other = this.#rows.measured(this.#keys.get(one) ?? '', one.getBoundingClientRect().height) || other;
    if (!other) return;
    this.#measured++;
    // Rows above what is seen are higher or lower than they were taken to be: what is seen stays where it is.
    const moved = (this.#tops[first] ?? 0) - (tops[first] ?? 0);
    if (this.long && moved !== 0) scrollBy(0, moved);
  }

  /** An attachment, to what ends where the first row begins. */
  head = (element: Element): (() => void) => this.#look(() => element.getBoundingClientRect().bottom);
  /** An attachment, to what begins where the first row would begin if all were drawn. */
  list = (element: Element): (() => void) => this.#look(() => element.getBoundingClientRect().top);

  #look(top: () => number): () => void {
    const look = () => {
      const begins = top();
      this.#begins = -begins;
      this.#ends = innerHeight - begins;
    };
    let width = innerWidth;
    const resized = () => {
      if (innerWidth !== width) this.#rows.forget();
      width = innerWidth;
      look();
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', resized);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', resized);
    };
  }

  /** An attachment, to the row that is known by this. */
  row = (key: string): ((element: Element) => () => void) => {
    return (element) => {
      this.#keys.set(element, key);
      this.#sizes.observe(element);
      return () => this.#sizes.unobserve(element);
    };
  };
}
