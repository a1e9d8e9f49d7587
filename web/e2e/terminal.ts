// A terminal of somebody's own: the program under test, with folders in which nobody is signed in.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Said {
  code: number | null;
  out: string;
  err: string;
}

export class Terminal {
  private home = mkdtempSync(join(tmpdir(), 'ajar-terminal-'));
  private children = new Set<ChildProcess>();

  /** Where it keeps who is signed in. */
  get credentials(): string {
    return join(this.home, 'config', 'ajar', 'credentials.json');
  }

  /** What it keeps of who is signed in; nothing if it never kept any. */
  get kept(): string | null {
    return existsSync(this.credentials) ? readFileSync(this.credentials, 'utf8') : null;
  }

  /** `ajar` with these words: what it says so far, and all of it when it is over. */
  begin(...words: string[]): { err: () => string; said: Promise<Said> } {
    const env = { PATH: process.env.PATH, HOME: this.home, XDG_CONFIG_HOME: join(this.home, 'config') };
    const child = spawn(process.env.AJAR_BIN!, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.children.add(child);
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    const said = new Promise<Said>((then) =>
      child.once('close', (code) => {
        this.children.delete(child);
        then({ code, out, err });
      }),
    );
    return { err: () => err, said };
  }

  run(...words: string[]): Promise<Said> {
    return this.begin(...words).said;
  }

  close(): void {
    for (const child of this.children) child.kill('SIGKILL');
    rmSync(this.home, { recursive: true, force: true });
  }
}
