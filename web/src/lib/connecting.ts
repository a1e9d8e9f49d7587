// How each client comes in: the exact command, for a resource, a role and the gateway's doors. No secret is ever part of one: where a
// client takes a token, the command that makes it stands in its place.
import type { Doors, Resource } from './api';

export interface Way {
  /** Which client. */
  client: string;
  command: string;
  note?: string;
  /** What writes down, once on each machine, what the command counts on. */
  once?: string;
}

export interface Target {
  name: string;
  kind: string;
  role: string;
  /** Whether a client that names no role means this one. */
  usual: boolean;
  /** On SSH hosts: the role's first unix user, and the one that `ajar setup ssh` writes down. */
  login?: string | undefined;
  usualLogin?: string | undefined;
}

/** Where `ajar` keeps the gateway's authority. */
const AUTHORITY = '${XDG_CONFIG_HOME:-$HOME/.config}/ajar/gateway-ca.pem';
const TOKEN = 'ajar token --scope connect';

export function target(resource: Resource, role: string): Target {
  const only = resource.roles.length === 1 ? resource.roles[0] : undefined;
  const usual = resource.default_role ?? only;
  return {
    name: resource.name,
    kind: resource.kind,
    role,
    usual: role === usual,
    login: resource.logins?.[role]?.[0],
    usualLogin: usual ? resource.logins?.[usual]?.[0] : undefined,
  };
}

/** A word for a POSIX shell. */
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** What a machine is told once, before any way in that needs `ajar`: who one is at the server of these pages. `at`: where the pages lie. */
export function signIn(at: string): string {
  return `ajar login --url ${word(at.replace(/\/+$/, ''))}`;
}

/** The ways in, the usual one first. Empty when this server has no door of that kind. */
export function ways(to: Target, doors: Doors, me: string): Way[] {
  if (to.kind === 'postgres' && doors.postgres) return postgres(to, doors.postgres, me);
  if (to.kind === 'ssh' && doors.ssh) return ssh(to, doors.ssh, me);
  if (to.kind === 'http' && doors.http) return http(to, doors.http);
  return [];
}

function postgres(to: Target, door: NonNullable<Doors['postgres']>, me: string): Way[] {
  const name = word(to.name);
  const where = `${encodeURIComponent(door.host)}:${door.port}/${encodeURIComponent(to.name)}`;
  const options = to.usual ? '' : `&options=${encodeURIComponent(`-c ajar.role=${to.role}`)}`;
  const url = `postgresql://${encodeURIComponent(me)}@${where}?sslmode=verify-full&sslrootcert=${door.ca_pem ? AUTHORITY : 'system'}${options}`;
  const trust = door.ca_pem ? `&sslrootcert=${AUTHORITY_FILE}` : '&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory';
  return [
    {
      client: 'psql',
      command: `${to.usual ? '' : `PGOPTIONS=${word(`-c ajar.role=${to.role}`)} `}psql service=${name}`,
      once: 'ajar setup pg',
    },
    { client: 'ajar psql', command: `ajar psql ${name}${said(to)}`, note: 'Needs no set-up.' },
    { client: 'Any libpq program, by URL', command: `PGPASSWORD="$(${TOKEN})" psql "${url}"` },
    {
      client: 'DBeaver and others with JDBC',
      command: `jdbc:postgresql://${where}?user=${encodeURIComponent(me)}&sslmode=verify-full${trust}${options}`,
      note: `The password is a token: ${TOKEN}`,
    },
  ];
}

/** What the file with the gateway's authority is called when it is saved from here. */
export const AUTHORITY_FILE = 'gateway-ca.pem';

function ssh(to: Target, door: NonNullable<Doors['ssh']>, me: string): Way[] {
  const role = to.usual ? '' : `AJAR_ROLE=${word(to.role)} `;
  const other = to.login !== undefined && to.login !== to.usualLogin;
  const host = word(other ? `${to.login}@${to.name}` : to.name);
  const whole = word(to.login === undefined ? to.name : `${to.login}@${to.name}`);
  const gateway = word(`${me}@${door.host}:${door.port}`);
  return [
    { client: 'ssh', command: `${role}ssh ${host}`, once: 'ajar setup ssh' },
    { client: 'ajar ssh', command: `ajar ssh ${word(to.name)}${said(to)}`, note: 'Needs no set-up.' },
    { client: 'scp', command: `${role}scp FILE ${host}:`, note: 'Where the role allows sftp.' },
    { client: 'sftp', command: `${role}sftp ${host}`, note: 'Where the role allows sftp.' },
    {
      client: 'ssh, without ajar on that machine',
      command: `${role}ssh ${to.usual ? '' : '-o SendEnv=AJAR_ROLE '}-J ${gateway} ${whole}`,
      note: `Each password that it asks for is a token: ${TOKEN}. Its known_hosts needs the line below.`,
    },
    { client: 'known_hosts, for that', command: `@cert-authority * ${door.hosts_authority}` },
  ];
}

function http(to: Target, door: NonNullable<Doors['http']>): Way[] {
  const url = `${door.url}/${encodeURIComponent(to.name)}/`;
  const prefix = to.name.replace(/[^a-z0-9]/gi, '_').toUpperCase();
  const ca = door.ca_pem ? `--cacert "${AUTHORITY}" ` : '';
  const inside = door.ca_pem ? `--cacert "$${prefix}_CA_FILE" ` : '';
  const role = to.usual ? '' : ` -H ${word(`Ajar-Role: ${to.role}`)}`;
  const said_inside = to.usual ? '' : ` -H "Ajar-Role: $${prefix}_ROLE"`;
  return [
    {
      client: 'ajar proxy',
      command: `ajar proxy ${word(to.name)}${said(to)} --port 8080`,
      note: 'Then any program here finds it at http://127.0.0.1:8080.',
    },
    {
      client: 'curl',
      command: `curl ${ca}-H "Authorization: Bearer $(${TOKEN})"${role} ${word(url)}`,
      note: 'Other clients likewise: the token is the bearer, or the password beside your name.',
    },
    {
      client: 'ajar run',
      command: `ajar run --with ${word(to.usual ? to.name : `${to.name}/${to.role}`)} -- sh -c 'curl ${inside}-H "Authorization: Bearer $${prefix}_TOKEN"${said_inside} "$${prefix}_URL/"'`,
      note: `Any command: ${prefix}_URL, ${prefix}_TOKEN and ${prefix}_CA_FILE are in its environment.`,
    },
  ];
}

function said(to: Target): string {
  return to.usual ? '' : ` --role ${word(to.role)}`;
}
