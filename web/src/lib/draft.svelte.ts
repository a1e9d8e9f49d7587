// A draft of the rules: the files in force with somebody's changes, in this tab only. Git is where they go when they are good.

const KEY = 'ajar-draft';

export class Draft {
  /** Changed and new files by path; null for one that is taken away. */
  changed: Record<string, string | null> = $state({});

  constructor(private inForce: () => Record<string, string>) {
    try {
      this.changed = JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Record<string, string | null>;
    } catch {
      // What can't be read is nothing.
    }
  }

  /** All files as the draft has them. */
  get files(): Record<string, string> {
    const all: Record<string, string | null> = { ...this.inForce(), ...this.changed };
    return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null));
  }

  get paths(): string[] {
    return [...new Set([...Object.keys(this.inForce()), ...Object.keys(this.changed)])].sort();
  }

  /** `new`, `changed`, `removed`, or '' for as it is in force. */
  state(path: string): '' | 'new' | 'changed' | 'removed' {
    const now = this.changed[path];
    if (now === undefined) return '';
    if (now === null) return 'removed';
    return path in this.inForce() ? 'changed' : 'new';
  }

  get isEmpty(): boolean {
    return Object.keys(this.changed).length === 0;
  }

  write(path: string, text: string): void {
    const same = this.inForce()[path] === text;
    if (same) this.forget(path);
    else this.#set({ ...this.changed, [path]: text });
  }

  remove(path: string): void {
    if (path in this.inForce()) this.#set({ ...this.changed, [path]: null });
    else this.forget(path);
  }

  forget(path: string): void {
    const rest = { ...this.changed };
    delete rest[path];
    this.#set(rest);
  }

  clear(): void {
    this.#set({});
  }

  #set(changed: Record<string, string | null>): void {
    this.changed = changed;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(changed));
    } catch {
      // No room: the draft lives as long as the page.
    }
  }
}

/** Whether a path may be a file of the rules: as the server takes them. */
export function isPath(path: string): boolean {
  return /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*\.toml$/.test(path);
}

/** The file to begin with: the first that has rules, or else the first. Empty when there is none. */
export function rulesFirst(files: Record<string, string>): string {
  const paths = Object.keys(files).sort();
  return paths.find((path) => /^\s*\[\[rule\]\]/m.test(files[path] ?? '')) ?? paths[0] ?? '';
}
