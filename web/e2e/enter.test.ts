// Browsers into HTTP APIs: led to where somebody signs in and asks, known by a cookie that nobody else can use, and out when it is over.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BrowserContext, Page } from '@playwright/test';
import { expect, signIn, test, type Demo } from './demo';

// The door's certificate is by the demo's own authority.
test.use({ ignoreHTTPSErrors: true });

/** A place at the door, by a host name of an API's own. */
function at(demo: Demo, path: string, host = 'sample-api.localhost'): string {
  return `https://${host}:${new URL(demo.ready.http.url).port}${path}`;
}

/** What a page of the API's own gets when it fetches something: the status, and the body. */
function fetched(page: Page, path: string, method = 'GET'): Promise<[number, unknown]> {
  return page.evaluate(
    async ([path, method]) => {
      const answer = await fetch(path!, { method });
      return [answer.status, await answer.json().catch(() => null)] as [number, unknown];
    },
    [path, method],
  );
}

async function cookie(context: BrowserContext, url: string) {
  return (await context.cookies(url)).find(({ name }) => name === '__Host-ajar-door');
}

/** Notes which hosts a browser asks for anything. */
function hosts(context: BrowserContext): Set<string> {
  const asked = new Set<string>();
  context.on('request', (request) => asked.add(new URL(request.url()).hostname));
  return asked;
}

test('w08: a browser is led to ask, gets in when a peer approves, and is out when it is given back or signed out', async ({ context, page, demo }) => {
  test.setTimeout(120_000);
  await demo.giveBack('dev');
  const filed = () => demo.call<{ items: { id: string }[] }>('dev', 'GET', 'requests');
  const before = (await filed()).items.length;

  // By the door's own name; nobody is signed in, and whoever signs in goes on to where it is asked for. Going there asks for nothing.
  await page.goto(`${demo.ready.http.url}/sample-api/orders/7`);
  await expect(page.getByRole('heading', { name: 'Sign in to Ajar' })).toBeVisible();
  expect(page.url()).toContain(`${demo.url}/enter?to=`);
  await page.getByLabel('Name').fill('dev');
  await page.getByLabel('Password').fill(demo.account('dev').password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL(`${demo.url}/new?resource=sample-api&role=read`);
  expect((await filed()).items).toHaveLength(before);

  // The cookie that it has now is that host's alone, and no script's.
  expect(await cookie(context, at(demo, '/'))).toMatchObject({
    domain: 'sample-api.localhost',
    path: '/',
    httpOnly: true,
    secure: true,
    sameSite: 'Lax',
  });
  for (const other of [demo.url, demo.ready.http.url, at(demo, '/', 'other.localhost'), at(demo, '/', 'below.sample-api.localhost')]) {
    expect(await cookie(context, other)).toBeUndefined();
  }

  // Asked for on the page that it was led to, and approved by a peer.
  await page.getByRole('radio', { name: /^refund/ }).check();
  await page.getByLabel(/^Reason/).fill('INC-7: an order was paid twice');
  await page.getByRole('button', { name: /^Ask for access/ }).click();
  await page.waitForURL(/requests\/req_/);
  const request = page.url().split('/').at(-1)!;
  await demo.call('peer', 'POST', `requests/${request}/reviews`, { verdict: 'approve' });

  // The request's page leads in; the API answers whoever sits there, as far as the role goes.
  await page.getByText(/more ways to connect/).click();
  const [tab, root] = await Promise.all([
    context.waitForEvent('page'),
    context.waitForEvent('response', (answer) => answer.url() === at(demo, '/')),
    page.getByRole('link', { name: `${demo.ready.http.url}/sample-api/` }).click(),
  ]);
  // The sample has nothing at its root, and says so itself.
  expect([root.status(), root.headers()['ajar-expires']]).toEqual([404, expect.any(String)]);
  const answer = await page.goto(at(demo, '/orders/7'));
  expect([answer!.status(), await answer!.json()]).toEqual([200, { id: 7, status: 'paid', cents: 13_993 }]);
  expect(await page.evaluate(() => document.cookie)).toBe('');
  expect(await fetched(page, '/orders/7/refund', 'POST')).toEqual([200, { id: 7, status: 'refunded' }]);
  expect(await fetched(page, '/orders/7', 'DELETE')).toEqual([403, expect.objectContaining({ type: 'urn:ajar:not_in_role' })]);

  // Given back: neither a page that is open still nor somebody who goes there gets anything.
  await tab.goto(at(demo, '/orders'));
  await demo.giveBack('dev');
  expect(await fetched(tab, '/orders/7')).toEqual([403, expect.objectContaining({ type: 'urn:ajar:not_open' })]);
  await page.reload();
  await page.waitForURL(`${demo.url}/new?resource=sample-api&role=read`);

  // Signed out of Ajar: the door knows nobody.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in to Ajar' })).toBeVisible();
  // A page's script hears so, too: no question of the browser's own comes in between.
  expect((await fetched(tab, '/orders/7'))[0]).toBe(401);
  await page.goto(at(demo, '/orders/7'));
  await expect(page.getByRole('heading', { name: 'Sign in to Ajar' })).toBeVisible();
});

test('w08: a link through the entrance leads to the door or nowhere', async ({ context, page, demo }) => {
  await demo.giveBack('dev');
  await signIn(page, demo, 'dev');
  const asked = hosts(context);
  const ours = at(demo, '').slice('https://'.length);
  for (const to of [
    'https://elsewhere.example/',
    'https://elsewhere.example/.ajar/enter?state=x&to=%2F',
    '//elsewhere.example/',
    `https://${ours}@elsewhere.example/`,
    `https://elsewhere.example\\@${ours}/`,
    `https://elsewhere.example#${ours}/`,
    'https://sample-api.localhost.elsewhere.example/',
    `http://${ours}/`,
    'javascript:document.body.append("pwned")',
    'data:text/html,pwned',
    '/',
  ]) {
    await page.goto(`${demo.url}/enter?to=${encodeURIComponent(to)}`);
    await expect(page.getByRole('alert'), to).toBeVisible();
    expect(new URL(page.url()).origin, to).toBe(new URL(demo.url).origin);
    expect(await page.locator('body').innerText(), to).not.toContain('pwned');
  }
  expect([...asked]).toEqual(['localhost']);

  // What somebody else's browser began is not gone on with in this one, though it is signed in: the code is no good here.
  const theirs = `${at(demo, '/.ajar/enter')}?state=${'A'.repeat(43)}&to=%2Forders`;
  const tab = await context.newPage();
  const [refused] = await Promise.all([
    tab.waitForResponse((answer) => answer.url().startsWith(at(demo, '/.ajar/enter?code='))),
    tab.goto(`${demo.url}/enter?to=${encodeURIComponent(theirs)}`).catch(() => null),
  ]);
  expect(refused.status()).toBe(401);
  await tab.close();
  expect(await cookie(context, at(demo, '/'))).toBeUndefined();

  // Nor does the door itself send anybody on to elsewhere: it lets them in, and what follows is on its own host.
  const port = new URL(demo.ready.http.url).port;
  for (const [link, to] of [
    [at(demo, '/.ajar/enter'), 'https://elsewhere.example/'],
    [at(demo, '/.ajar/enter'), '//elsewhere.example/'],
    [at(demo, '/.ajar/enter'), '/\\elsewhere.example/'],
    [at(demo, '/.ajar/enter'), 'javascript:alert(1)'],
    [`${demo.url}/enter`, `https://elsewhere.example:${port}/sample-api/`],
  ]) {
    await page.goto(`${link}?to=${encodeURIComponent(to!)}`);
    await page.waitForURL(`${demo.url}/new?resource=sample-api&role=read`);
  }
  expect(await cookie(context, at(demo, '/'))).toBeDefined();
  expect([...asked].sort()).toEqual(['localhost', 'sample-api.localhost']);
});

/** Two APIs in one: each shows a page, notes what it is asked, and would like to set the door's cookie. */
async function targets(): Promise<{ server: Server; port: number; got: { host: string; what: string; cookie: string }[] }> {
  const got: { host: string; what: string; cookie: string }[] = [];
  const server = createServer((ask: IncomingMessage, answer) => {
    if (ask.url !== '/favicon.ico') got.push({ host: String(ask.headers['x-forwarded-host']).split(':')[0]!, what: `${ask.method} ${ask.url}`, cookie: ask.headers.cookie ?? '' });
    answer.setHeader('set-cookie', ['__Host-ajar-door=planted; Path=/; Secure', 'own=1; Path=/; Secure']);
    answer.setHeader('content-type', 'text/html').end('<!doctype html><title>a page</title>');
  }).listen(0, '127.0.0.1');
  await new Promise((then) => server.once('listening', then));
  return { server, port: (server.address() as AddressInfo).port, got };
}

test('w08: a page of a neighbour on the same site acts in nobody’s name, and no API sees or sets the door’s cookie', async ({ context, page, own: demo }) => {
  test.setTimeout(120_000);
  const { server, port, got } = await targets();
  try {
    const { files } = await demo.call<{ files: Record<string, string> }>('operator', 'GET', 'policy');
    const api = (name: string) => `
[[resource]]
name = "${name}"
kind = "http"
owners = ["group:orders"]
default_role = "all"
upstream = "http://127.0.0.1:${port}"
hosts = ["${name}.apis.localhost"]
[resource.roles.all]
allow = ["* /**"]
[[rule]]
name = "engineers-use-${name}"
who = ["group:engineers"]
resources = ["${name}"]
roles = ["all"]
max = "1h"
approve = "auto"
`;
    await demo.call('operator', 'POST', 'policy', { files: { ...files, 'apis.toml': api('tool') + api('other') } });
    const [tool, other] = ['tool.apis.localhost', 'other.apis.localhost'];
    for (const resource of ['tool', 'other']) await demo.file('dev', { resource, reason: 'INC-7: both are open' });
    await signIn(page, demo, 'dev');
    // By a page that is in already, so that both have their cookie.
    for (const host of [tool, other]) {
      await page.goto(at(demo, '/', host));
      await page.waitForURL(at(demo, '/', host));
      await expect(page).toHaveTitle('a page');
    }
    const known = await cookie(context, at(demo, '/', tool));
    expect(known).toBeDefined();
    expect(known!.value).not.toBe('planted');
    expect((await cookie(context, at(demo, '/', other)))!.value).not.toBe(known!.value);

    // From the neighbour, by script, as an image, in a frame, by a WebSocket, by form: the browser sends the cookie, and it counts for nothing.
    got.length = 0;
    const there = (path: string) => at(demo, path, tool);
    await page.evaluate(
      async ([act, json]) => {
        const quiet = () => undefined;
        await fetch(act!, { method: 'POST', credentials: 'include', mode: 'no-cors', body: 'x' }).catch(quiet);
        await fetch(json!, { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body: '{}' }).catch(quiet);
        await fetch(act!, { credentials: 'include', mode: 'no-cors' }).catch(quiet);
        const loaded = (element: HTMLElement) => new Promise((then) => ((element.onload = element.onerror = then), document.body.append(element)));
        await loaded(Object.assign(new Image(), { src: act! }));
        await loaded(Object.assign(document.createElement('iframe'), { src: act! }));
        await new Promise((then) => {
          const socket = new WebSocket(act!.replace('https:', 'wss:'));
          socket.onopen = socket.onerror = then;
        });
      },
      [there('/act'), there('/json')],
    );
    const [posted] = await Promise.all([
      page.waitForResponse((answer) => answer.url() === there('/form')),
      page.evaluate((action) => {
        const form = Object.assign(document.createElement('form'), { method: 'post', action });
        document.body.append(form);
        form.submit();
      }, there('/form')),
    ]);
    expect((await posted.request().allHeaders()).cookie).toContain(known!.value);
    expect([posted.status(), (await posted.json()).type]).toEqual([403, 'urn:ajar:from_elsewhere']);
    expect(got.filter(({ host }) => host === tool)).toEqual([]);

    // Its own page may; and whoever follows a link there, looks.
    await page.goto(at(demo, '/', other));
    await page.evaluate((href) => document.body.append(Object.assign(document.createElement('a'), { href, textContent: 'there' })), there('/by-link'));
    await page.getByRole('link', { name: 'there' }).click();
    await page.waitForURL(there('/by-link'));
    expect(await page.evaluate(async () => (await fetch('/act', { method: 'POST', body: 'x' })).status)).toBe(200);
    expect(got.filter(({ host }) => host === tool).map(({ what }) => what)).toEqual(['GET /by-link', 'POST /act']);

    // What a target sees of cookies is its own; what it would like to set of ours is not set.
    expect(got.map(({ cookie }) => cookie).filter((sent) => sent !== '' && sent !== 'own=1')).toEqual([]);
    expect(got.some(({ cookie }) => cookie === 'own=1')).toBe(true);
    expect((await cookie(context, there('/')))!.value).toBe(known!.value);
  } finally {
    server.close();
  }
});
