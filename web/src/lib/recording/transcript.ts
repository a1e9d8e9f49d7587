// What a terminal printed, as lines of text with their times: for searching and for reading aloud. It follows where text is put, and draws nothing:
// the picture is the player's.

export interface Printed {
  /** Microseconds from the session's start: when its first and its last character came. */
  since: number;
  until: number;
  text: string;
  /** By a program that takes the whole screen, such as an editor: its lines are no story. */
  full: boolean;
}

/** Older lines are forgotten when there are more. */
const MOST = 50_000;
/** A line without an end is one when it is so long. */
const LONGEST = 4_096;

interface Row {
  cells: string[];
  since: number;
  until: number;
  /** Something that was not told yet. */
  fresh: boolean;
}

const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

// A whole sequence, or the beginning of one at the end of a piece.
// eslint-disable-next-line no-control-regex
const SEQUENCE = /\u001b(?:\[([?>=<]*)([0-9;:]*)[ -/]*([@-~])|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\|(?=\u001b))|[ -/]+[0-~]|[0-~])/uy;
// eslint-disable-next-line no-control-regex
const BEGUN = /^\u001b(?:\[[?>=<]*[0-9;:]*[ -/]*|[\]PX^_][^\u0007\u001b]*\u001b?|[ -/]*)?$/u;

export class Transcript {
  readonly lines: Printed[] = [];
  /** Lines that were forgotten. */
  lost = 0;
  #rows = new Map<number, Row>();
  #told = new Map<number, string>();
  #row = 0;
  #col = 0;
  #saved: [number, number] = [0, 0];
  /** By more than Backspace, since something was last written over. */
  #moved = false;
  #full = false;
  #rest = '';

  constructor(
    private cols: number,
    private height: number,
  ) {}

  resize(cols: number, height: number): void {
    [this.cols, this.height] = [cols, height];
    this.#row = Math.min(this.#row, height - 1);
  }

  /** What came at a time. */
  push(at: number, piece: string): void {
    const text = this.#rest + piece;
    this.#rest = '';
    for (let i = 0; i < text.length; ) {
      const code = text.codePointAt(i) ?? 0;
      if (code === 0x1b) {
        SEQUENCE.lastIndex = i;
        const found = SEQUENCE.exec(text);
        if (found) {
          i += found[0].length;
          this.#obey(found);
          continue;
        }
        const rest = text.slice(i);
        if (BEGUN.test(rest) && rest.length < LONGEST) {
          this.#rest = rest;
          return;
        }
        i += 1;
        continue;
      }
      const char = String.fromCodePoint(code);
      i += char.length;
      if (code < 0x20 || (code >= 0x7f && code < 0xa0)) this.#control(code);
      else this.#print(at, char);
    }
  }

  /** What is there and has no end yet. To be called when everything was taken, before lines are read. */
  settle(): void {
    for (const row of [...this.#rows.keys()].sort((a, b) => a - b)) this.#tell(row);
  }

  #control(code: number): void {
    if (code === 0x0a || code === 0x0b || code === 0x0c || code === 0x85) this.#down();
    else if (code === 0x0d) {
      // Of a line that goes on in the next row, to the begin of that row.
      this.#col = this.#full || this.#col === this.cols ? 0 : this.#col - (this.#col % this.cols);
      this.#moved = true;
    }
    else if (code === 0x08) this.#col = Math.max(0, this.#col - 1);
    else if (code === 0x09) this.#col = Math.min(this.cols - 1, (Math.floor(this.#col / 8) + 1) * 8);
  }

  #print(at: number, char: string): void {
    // A line that is too long for the screen goes on in the next row, and is one line.
    if (this.#col >= (this.#full ? this.cols : LONGEST)) {
      this.#down();
      this.#col = 0;
    }
    let row = this.#rows.get(this.#row);
    const col = this.#col;
    // Something else is written over it: what was there is told first.
    const over = row?.cells[col];
    if (row && this.#moved && over !== undefined && over !== ' ' && over !== char) {
      this.#tell(this.#row);
      this.#moved = false;
    }
    if (!row) this.#rows.set(this.#row, (row = { cells: [], since: at, until: at, fresh: false }));
    if (!row.fresh) row.since = at;
    while (row.cells.length < col) row.cells.push(' ');
    row.cells[col] = char;
    row.until = at;
    row.fresh = true;
    this.#col += 1;
    if (WIDE.test(char)) {
      row.cells[col + 1] = '';
      this.#col += 1;
    }
  }

  #down(): void {
    this.#tell(this.#row);
    if (!this.#full) {
      // Whatever is printed in that row from now on is another line.
      this.#rows.delete(this.#row);
      this.#told.delete(this.#row);
    }
    if (this.#row < this.height - 1) this.#row += 1;
    else {
      for (const row of this.#rows.keys()) this.#tell(row);
      this.#rows.clear();
    }
  }

  #tell(at: number): void {
    const row = this.#rows.get(at);
    if (!row?.fresh) return;
    row.fresh = false;
    const text = row.cells.join('').trimEnd();
    if (text.trim() === '' || (this.#told.get(at) === text && this.#full)) return;
    this.#told.set(at, text);
    // In the order in which they were there: what was not told at once comes late.
    let place = this.lines.length;
    while (place > 0 && (this.lines[place - 1]?.until ?? 0) > row.until) place -= 1;
    this.lines.splice(place, 0, { since: row.since, until: row.until, text, full: this.#full });
    if (this.lines.length > MOST) this.lost += this.lines.splice(0, MOST / 10).length;
  }

  #clear(): void {
    this.settle();
    this.#rows.clear();
    this.#told.clear();
  }

  /** Erases a part of a row. */
  #erase(from: number, to: number): void {
    const row = this.#rows.get(this.#row);
    if (!row) return;
    if (from === 0 && to >= row.cells.length) {
      this.#tell(this.#row);
      this.#rows.delete(this.#row);
      return;
    }
    // One character is what Backspace takes away.
    if (Math.min(to, row.cells.length) - from > 1) this.#tell(this.#row);
    if (to >= row.cells.length) row.cells.length = Math.min(row.cells.length, from);
    else row.cells.fill(' ', from, to);
  }

  #eraseBelow(): void {
    this.#erase(this.#col, Infinity);
    for (const row of [...this.#rows.keys()].filter((row) => row > this.#row)) {
      this.#tell(row);
      this.#rows.delete(row);
    }
  }

  #obey([, mark = '', given = '', what]: RegExpExecArray): void {
    if (what === undefined) return;
    const n = given.split(';').map((word) => Number.parseInt(word, 10) || 0);
    const one = Math.max(1, n[0] ?? 1);
    const last = this.height - 1;
    if (mark === '?') {
      if ((what === 'h' || what === 'l') && n.some((mode) => mode === 47 || mode === 1047 || mode === 1049)) {
        this.#clear();
        this.#full = what === 'h';
        if (this.#full) this.#saved = [this.#row, this.#col];
        else [this.#row, this.#col] = this.#saved;
      }
      return;
    }
    if (mark !== '') return;
    this.#moved ||= 'HfAFBEDGd`'.includes(what);
    if (what === 'H' || what === 'f') [this.#row, this.#col] = [Math.min(last, one - 1), Math.max(1, n[1] ?? 1) - 1];
    else if (what === 'A' || what === 'F') this.#row = Math.max(0, this.#row - one);
    else if (what === 'B' || what === 'E' || what === 'e') this.#row = Math.min(last, this.#row + one);
    else if (what === 'C' || what === 'a') this.#col += one;
    else if (what === 'D') this.#col = Math.max(0, this.#col - one);
    else if (what === 'G' || what === '`') this.#col = one - 1;
    else if (what === 'd') this.#row = Math.min(last, one - 1);
    else if (what === 'J' && (n[0] ?? 0) >= 2) this.#clear();
    else if (what === 'J' && !n[0]) this.#eraseBelow();
    else if (what === 'K') this.#erase(n[0] === 1 || n[0] === 2 ? 0 : this.#col, n[0] === 1 ? this.#col : Infinity);
    else if (what === 'P') this.#rows.get(this.#row)?.cells.splice(this.#col, one);
    else if (what === '@') this.#rows.get(this.#row)?.cells.splice(this.#col, 0, ...Array<string>(Math.min(one, this.cols)).fill(' '));
    else if (what === 'L' || what === 'M' || what === 'S' || what === 'T') this.#clear();
    if (what === 'E' || what === 'F') this.#col = 0;
    this.#col = Math.min(this.#col, LONGEST);
  }
}
