// A demo of one's own for each worker: the real binary, a real PostgreSQL, an API, and an SSH host where there is one.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, expect, type Browser, type BrowserContext, type Page } from '@playwright/test';

export interface Account {
  password: string;
  token: string;
}

interface Ready {
  /** Where the pages are: by name, since passkeys need one. */
  web: string;
  /** The same by address, for programs. */
  api: string;
  postgres: { host: string; port: number; ca_file: string };
  http: { url: string; ca_file: string };
  ssh: { host: string; port: number } | null;
  folder: string;
  users: Record<string, Account>;
  resources: string[];
}

/** Who is there in the demo. */
export type Who = 'dev' | 'peer' | 'manager' | 'operator' | 'auditor';

export class Demo {
  private constructor(
    readonly ready: Ready,
    private child: ChildProcess,
    private folder: string,
  ) {}

  static async start(): Promise<Demo> {
    const binary = process.env.AJAR_BIN;
    if (!binary) throw new Error('AJAR_BIN is not set: run this as `cargo xtask web`');
    const folder = mkdtempSync(join(tmpdir(), 'ajar-web-'));
    const file = join(folder, 'ready.json');
    const bin = process.env.AJAR_POSTGRES_15 ?? '/usr/lib/postgresql/15/bin';
    const args = ['demo', '--port-base', '0', '--postgres-bin', bin, '--ready-file', file, '--dir', join(folder, 'demo')];
    const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr?.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-4_000)));
    for (let turn = 0; turn < 300; turn++) {
      if (existsSync(file)) {
        try {
          return new Demo(JSON.parse(readFileSync(file, 'utf8')) as Ready, child, folder);
        } catch {
          // Half written: the next look finds all of it.
        }
      }
      if (child.exitCode !== null) break;
      await new Promise((then) => setTimeout(then, 200));
    }
    child.kill();
    throw new Error(`the demo did not start: ${said}`);
  }

  async stop(): Promise<void> {
    const gone = new Promise((then) => this.child.once('exit', then));
    this.child.kill('SIGTERM');
    await Promise.race([gone, new Promise((then) => setTimeout(then, 20_000))]);
    this.child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  get url(): string {
    return this.ready.web;
  }

  account(who: Who): Account {
    const account = this.ready.users[who];
    if (!account) throw new Error(`there is no ${who}`);
    return account;
  }

  /** The API, as a program calls it. */
  async call<T = unknown>(who: Who, method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.account(who).token}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text && response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text) as T;
  }

  /** Files a request; gives its id. */
  async file(who: Who, ask: Record<string, unknown>): Promise<string> {
    return (await this.call<{ id: string }>(who, 'POST', 'requests', ask)).id;
  }

  /** Gives back whatever is open to somebody: what they do next is asked for anew. */
  async giveBack(who: Who): Promise<void> {
    const { items } = await this.call<{ items: { id: string }[] }>(who, 'GET', 'grants?state=open&mine=true');
    for (const { id } of items) await this.call(who, 'POST', `grants/${id}/return`);
  }

  /** psql as somebody, on orders-db: what it says, when it is over. */
  psql(who: Who, sql: string, options: { reason?: string; role?: string } = {}): { said: Promise<{ code: number | null; out: string; err: string }>; child: ChildProcess } {
    const { host, port, ca_file } = this.ready.postgres;
    const role = options.role ? `/${options.role}` : '';
    const where = `host=${host} port=${port} dbname=orders-db${role} user=${who} sslmode=verify-full sslrootcert=${ca_file} connect_timeout=60`;
    const env = { ...process.env, PGPASSWORD: this.account(who).token, PGAPPNAME: options.reason ?? 'psql', PSQLRC: '/dev/null' };
    const child = spawn('psql', [where, '-X', '-A', '-t', '-c', sql], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    const said = new Promise<{ code: number | null; out: string; err: string }>((then) =>
      child.once('close', (code) => then({ code, out, err })),
    );
    return { said, child };
  }
}

/** Signs in by the page. */
export async function signIn(page: Page, demo: Demo, who: Who, path = ''): Promise<void> {
  await page.goto(`${demo.url}/${path}`);
  await page.getByLabel('Name').fill(who);
  await page.getByLabel('Password').fill(demo.account(who).password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByText(`Signed in as ${who}`)).toBeAttached();
}

/** A browser of somebody's own, signed in. */
export async function somebody(
  browser: Browser,
  demo: Demo,
  who: Who,
  options: { path?: string; context?: Parameters<Browser['newContext']>[0] } = {},
): Promise<{ page: Page; context: BrowserContext }> {
  const context = await browser.newContext(options.context);
  const page = await context.newPage();
  await signIn(page, demo, who, options.path);
  return { page, context };
}

export const test = base.extend<{ own: Demo }, { demo: Demo }>({
  // For tests that change what others rely on: who needs a passkey, which files are in force.
  own: [
    async ({}, use) => {
      const demo = await Demo.start();
      await use(demo);
      await demo.stop();
    },
    { timeout: 90_000 },
  ],
  demo: [
    async ({}, use) => {
      const demo = await Demo.start();
      await use(demo);
      await demo.stop();
    },
    { scope: 'worker', timeout: 90_000 },
  ],
});

export { expect };
