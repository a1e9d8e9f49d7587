import { describe, expect, test } from 'vitest';
import type { Doors, Resource } from '../src/lib/api';
import { target, ways, word } from '../src/lib/connecting';

const doors: Doors = {
  postgres: { host: 'ajar.example.org', port: 7432, ca_pem: 'PEM' },
  ssh: { host: 'ajar.example.org', port: 7022, hosts_authority: 'ssh-ed25519 AAAA ajar hosts' },
  http: { url: 'https://ajar.example.org:7443', ca_pem: null },
};
const resource = (more: Partial<Resource>): Resource => ({ name: 'orders-db', kind: 'postgres', description: '', labels: {}, roles: ['read', 'write'], default_role: 'read', open: [], ...more });
const commands = (of: Resource, role: string, me = 'dev') => Object.fromEntries(ways(target(of, role), doors, me).map((way) => [way.client, way.command]));

describe('postgres', () => {
  test('the default role is not said', () => {
    const all = commands(resource({}), 'read');
    expect(all.psql).toBe('psql service=orders-db');
    expect(all['ajar psql']).toBe('ajar psql orders-db');
    expect(all['DBeaver and others with JDBC']).toBe('jdbc:postgresql://ajar.example.org:7432/orders-db?user=dev&sslmode=verify-full&sslrootcert=gateway-ca.pem');
  });

  test('another one is, as each client says it', () => {
    const all = commands(resource({}), 'write', 'dev@example.org');
    expect(all.psql).toBe("PGOPTIONS='-c ajar.role=write' psql service=orders-db");
    expect(all['ajar psql']).toBe('ajar psql orders-db --role write');
    expect(all['Any libpq program, by URL']).toContain('postgresql://dev%40example.org@ajar.example.org:7432/orders-db?');
    expect(all['Any libpq program, by URL']).toContain('&options=-c%20ajar.role%3Dwrite');
  });
});

describe('ssh', () => {
  const host = resource({ name: 'web-1', kind: 'ssh', roles: ['deploy', 'look'], default_role: 'look', logins: { look: ['ops'], deploy: ['deploy'] } });

  test('the default role is not said', () => {
    expect(commands(host, 'look').ssh).toBe('ssh web-1');
    expect(commands(host, 'look').scp).toBe('scp FILE web-1:');
  });

  test('another one is, with its own unix user', () => {
    const all = commands(host, 'deploy');
    expect(all.ssh).toBe('AJAR_ROLE=deploy ssh deploy@web-1');
    expect(all['ajar ssh']).toBe('ajar ssh web-1 --role deploy');
    expect(all['ssh, without ajar on that machine']).toBe('AJAR_ROLE=deploy ssh -o SendEnv=AJAR_ROLE -J dev@ajar.example.org:7022 deploy@web-1');
  });
});

describe('http', () => {
  const api = resource({ name: 'sample-api', kind: 'http', roles: ['read', 'refund'] });

  test('the role is a header, an option, or behind a slash', () => {
    const all = commands(api, 'refund');
    expect(all.curl).toBe(`curl -H "Authorization: Bearer $(ajar token --scope connect)" -H 'Ajar-Role: refund' https://ajar.example.org:7443/sample-api/`);
    expect(all['ajar proxy']).toBe('ajar proxy sample-api --role refund --port 8080');
    expect(all['ajar run']).toMatch(/^ajar run --with sample-api\/refund -- sh -c '.*\$SAMPLE_API_TOKEN.*'$/);
  });

  test('nothing is said for a door that is not there', () => {
    expect(ways(target(api, 'read'), {}, 'dev')).toEqual([]);
  });
});

test('a word is one word to a shell', () => {
  expect(word('orders-db')).toBe('orders-db');
  expect(word("it's; rm")).toBe(`'it'\\''s; rm'`);
});
