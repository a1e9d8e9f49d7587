// Behind a proxy and below a path, as docs/web.md says: the proxy takes the path off; everything that the pages fetch lies below it.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, createServer as listener } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';

const BELOW = '/tools/ajar';
const PASSWORD = 'a password of some length';
const FILES = `
[[user]]
name = "dev"
[[resource]]
name = "orders-db"
kind = "postgres"
owners = ["user:peer"]
host = "127.0.0.1"
database = "orders"
tls = "off"
admin = { user = "ajar", password = { env = "HOME" } }
[resource.roles.read]
member_of = ["readers"]
[[rule]]
name = "read"
who = ["user:dev"]
resources = ["orders-db"]
roles = ["read"]
max = "1h"
approve = { from = ["owners"], within = "30m" }
`;

async function freePort(): Promise<number> {
  const server = listener().listen(0, '127.0.0.1');
  await new Promise((then) => server.once('listening', then));
  const { port } = server.address() as AddressInfo;
  await new Promise((then) => server.close(then));
  return port;
}

/** A proxy that takes the path off and passes on the rest as it came; what is not below the path is noted, and nobody's. */
async function proxy(port: number, astray: string[]): Promise<Server> {
  const server = createServer((asked, answer) => {
    const path = asked.url ?? '';
    if (!path.startsWith(`${BELOW}/`)) {
      astray.push(path);
      answer.writeHead(404).end();
      return;
    }
    const passed = request({ host: '127.0.0.1', port, method: asked.method, path: path.slice(BELOW.length), headers: asked.headers });
    passed.once('response', (got) => got.pipe(answer.writeHead(got.statusCode ?? 502, got.headers)));
    passed.once('error', () => answer.destroy());
    answer.once('close', () => passed.destroy());
    asked.pipe(passed);
  });
  server.listen(0, 'localhost');
  await new Promise((then) => server.once('listening', then));
  return server;
}

test('below a path of a proxy, the pages work as they do at the top of a host', async ({ page, browser }) => {
  const binary = process.env.AJAR_BIN ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'ajar-proxy-'));
  const config = join(folder, 'ajar.toml');
  const astray: string[] = [];
  const port = await freePort();
  const front = await proxy(port, astray);
  const url = `http://localhost:${(front.address() as AddressInfo).port}${BELOW}`;
  const ajar = (args: string[], input?: string) => execFileSync(binary, args, { cwd: folder, input, stdio: ['pipe', 'ignore', 'pipe'] });
  ajar(['server', 'init', '--config', config, '--admin', 'peer']);
  writeFileSync(join(folder, 'policy', 'all.toml'), FILES);
  writeFileSync(
    config,
    `public_url = "${url}"\ndata_dir = "ajar-data"\npolicy_dir = "policy"\nnames = ["localhost"]\n[api]\nlisten = "127.0.0.1:${port}"\ntls = false\n` +
      `[postgres]\nlisten = "127.0.0.1:${await freePort()}"\n`,
  );
  for (const who of ['dev', 'peer']) ajar(['server', 'passwd', '--config', config, '--stdin', who], `${PASSWORD}\n`);
  const server = spawn(binary, ['server', 'run', '--config', config], { stdio: 'ignore' });
  try {
    await expect(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200)).toPass({ timeout: 30_000 });
    const enter = async (into: typeof page, who: string, path: string) => {
      await into.goto(`${url}/${path}`);
      await into.getByLabel('Name').fill(who);
      await into.getByLabel('Password').fill(PASSWORD);
      await into.getByRole('button', { name: 'Sign in', exact: true }).click();
      await expect(into.getByText(`Signed in as ${who}`)).toBeAttached();
    };
    // A deep link, signed in to where it led; the request filed on the page, and its link.
    await enter(page, 'dev', 'new?resource=orders-db&role=read');
    await page.getByLabel(/^Reason/).fill('looking below a path');
    await page.getByRole('button', { name: /^(Ask|File|Request|Send)/ }).click();
    await expect(page).toHaveURL(new RegExp(`${BELOW}/requests/req_`));
    await page.reload();
    await expect(page.getByText('looking below a path').first()).toBeVisible();

    // Another decides; whoever waits sees it through the proxy as it happens.
    const context = await browser.newContext();
    const other = await context.newPage();
    await enter(other, 'peer', `requests/${page.url().split('/').at(-1)}`);
    await other.getByRole('button', { name: /^Approve/ }).click();
    await expect(page.getByText(/approved/i).first()).toBeVisible();
    await other.goto(`${url}/ledger`);
    await expect(other.getByRole('heading', { name: 'Ledger', exact: true })).toBeVisible();
    await context.close();
    expect(astray).toEqual([]);
  } finally {
    server.kill('SIGTERM');
    await new Promise((then) => server.once('exit', then));
    front.closeAllConnections();
    front.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
