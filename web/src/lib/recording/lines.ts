// A recording as it comes over the network: one JSON object a line, cut into pieces anywhere.

export type Line = Record<string, unknown>;

/** Cuts a stream of bytes into lines. Characters may be cut in two between its pieces, too. */
export class Lines {
  #decoder = new TextDecoder();
  #rest = '';

  /** The lines that are whole by now. */
  push(chunk: Uint8Array): string[] {
    const text = this.#decoder.decode(chunk, { stream: true });
    if (!text.includes('\n')) {
      this.#rest += text;
      return [];
    }
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.filter((line) => line !== '');
  }

  /** What is left at the end: the last line of a session whose server died may be cut off. */
  rest(): string {
    return this.#rest + this.#decoder.decode();
  }
}

/** The object in a line; null for what isn't one. */
export function parse(line: string): Line | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Line) : null;
  } catch {
    return null;
  }
}

/** A field that should be text. */
export function text(line: Line, field: string): string | undefined {
  const value = line[field];
  return typeof value === 'string' ? value : undefined;
}

/** A field that should be a number; 0 when it isn't there. */
export function number(line: Line, field: string): number {
  const value = line[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** A field that should be an object. */
export function object(line: Line, field: string): Line | undefined {
  const value = line[field];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Line) : undefined;
}
