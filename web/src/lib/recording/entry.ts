// One thing that happened in a session: a statement, a request, or an event of SSH. What the gateways write, in the shape that a list shows.
import { bytes, count } from './figures';
import { number, object, text, type Line } from './lines';

export type Tone = 'plain' | 'changed' | 'bad' | 'quiet';

export interface Entry {
  /** Its place in the whole recording. */
  n: number;
  /** Microseconds from the session's start. */
  at: number;
  /** Microseconds that it took; null for what takes no time, or runs still. */
  took: number | null;
  /** The channel, by SSH. */
  ch: number | null;
  /** What kind of thing, in a word or two: `GET`, `exec`, `output`. Empty where the text says it. */
  label: string;
  /** The statement, the path, the command, the output: as it was, not inert. */
  text: string;
  /** What came of it; may hold text from outside. */
  result: string;
  tone: Tone;
  /** What the summary counts it as. */
  groups: string[];
  /** The line that it was made of: its details are read when somebody looks. */
  line: Line;
}

type Made = Omit<Entry, 'n' | 'at' | 'took' | 'ch' | 'line'> & { took?: number | null };

/** Statements that only read, or change nothing that stays. */
const READS = new Set(['SELECT', 'FETCH', 'SHOW', 'EXPLAIN', 'BEGIN', 'START', 'COMMIT', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'SET', 'RESET']);
const QUIET = new Set([...READS, 'PREPARE', 'DEALLOCATE', 'DISCARD', 'LISTEN', 'UNLISTEN', 'DECLARE', 'CLOSE', 'MOVE', 'VALUES', 'CHECKPOINT']);

/** `INSERT 0 5` → `INSERT`; `CREATE TABLE` stays. */
export function command(tag: string): string {
  return tag.replace(/(\s+\d+)+$/, '') || tag;
}

/** Whether a statement of this tag changes something on the target. */
export function changes(tag: string, line: Line): boolean {
  const first = command(tag).split(' ')[0] ?? '';
  return first === 'COPY' ? object(line, 'copy_in') !== undefined : !QUIET.has(first);
}

/** The tags of a statement: several for several commands in one text. */
export function tags(line: Line): string[] {
  const many = line.tags;
  if (Array.isArray(many)) return many.filter((tag) => typeof tag === 'string');
  const one = text(line, 'tag');
  return one === undefined ? [] : [one];
}

const STATEMENTS = ['simple', 'extended', 'function', 'commit'];

/** Whether a line says of a statement that it runs still: another one says how it ended. */
export function runs(line: Line): boolean {
  return line.outcome === 'running' && STATEMENTS.includes(text(line, 'kind') ?? '');
}

function statement(line: Line): Made {
  const error = object(line, 'err');
  const outcome = text(line, 'outcome')?.replaceAll('_', ' ');
  const all = tags(line);
  const sql = text(line, 'sql');
  const name = text(line, 'name') ?? text(line, 'portal');
  const rows = typeof line.rows === 'number' && !/\d/.test(all.join()) ? `, ${count(line.rows, 'row')}` : '';
  const failed = error ? `${text(error, 'severity') ?? 'ERROR'} ${text(error, 'code') ?? ''}: ${text(error, 'message') ?? ''}` : undefined;
  return {
    label: sql === undefined ? (text(line, 'kind') ?? '') : '',
    text: sql ?? name ?? (line.function === undefined ? '' : `function ${number(line, 'function')}`),
    result: failed ?? outcome ?? all.join(', ') + rows,
    tone: failed || outcome === 'failed' ? 'bad' : outcome ? 'quiet' : all.some((tag) => changes(tag, line)) ? 'changed' : 'plain',
    groups: failed || outcome ? [outcome ?? 'failed'] : [...new Set(all.map(command))],
    took: runs(line) ? null : number(line, 'd'),
  };
}

function request(line: Line): Made {
  const method = text(line, 'method') ?? '';
  const query = text(line, 'query');
  const status = typeof line.status === 'number' ? String(line.status) : '';
  const outcome = text(line, 'outcome');
  const bad = outcome !== undefined || number(line, 'status') >= 400;
  return {
    label: method,
    text: (text(line, 'path') ?? '') + (query === undefined ? '' : `?${query}`),
    result: [status, outcome].filter(Boolean).join(' '),
    tone: bad ? 'bad' : ['GET', 'HEAD', 'OPTIONS'].includes(method) ? 'plain' : 'changed',
    groups: [method, outcome ?? (status ? `${status[0] ?? ''}xx` : 'no answer')],
    took: number(line, 'd'),
  };
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function file(line: Line): Made {
  const parts: string[] = [];
  if (line.bytes_read !== undefined) parts.push(`${bytes(number(line, 'bytes_read'))} read`);
  if (line.bytes_written !== undefined) parts.push(`${bytes(number(line, 'bytes_written'))} written`);
  const failed = line.ok === false;
  if (failed) parts.push('failed');
  if (line.unfollowed === true) parts.push('not followed');
  const wrote = line.bytes_written !== undefined;
  return {
    label: wrote ? 'file written' : line.bytes_read === undefined ? 'file opened' : 'file read',
    text: text(line, 'path') ?? '',
    result: parts.join(', '),
    tone: failed ? 'bad' : wrote ? 'changed' : 'plain',
    groups: [wrote ? 'files written' : line.bytes_read === undefined ? 'files opened' : 'files read'],
  };
}

/** What SSH's status codes for files say. */
const CODES: Record<number, string> = { 2: 'no such file', 3: 'permission denied', 4: 'failed', 8: 'not supported' };

function change(line: Line): Made {
  const to = text(line, 'to');
  const ok = line.ok === true;
  const code = line.code;
  const why = typeof code === 'number' ? (CODES[code] ?? `code ${code}`) : code === undefined ? '' : plain(code);
  return {
    label: text(line, 'op') ?? 'change',
    text: (text(line, 'path') ?? '') + (to === undefined ? '' : ` → ${to}`),
    result: ok ? 'done' : `failed${why ? `: ${why}` : ''}`,
    tone: ok ? 'changed' : 'bad',
    groups: ['file changes'],
  };
}

function open(line: Line): Made {
  const what = (text(line, 'what') ?? 'channel').replaceAll('_', ' ');
  const login = text(line, 'login');
  const said = [text(line, 'name'), text(line, 'command'), line.to === undefined ? undefined : plain(line.to)].filter((part) => part !== undefined);
  const term = text(line, 'term');
  const result = [login && `as ${login}`, term && `terminal ${number(line, 'cols')}×${number(line, 'rows')}`].filter(Boolean).join(', ');
  return { label: what, text: said.join(' '), result, tone: 'plain', groups: [what] };
}

/** A shell's exit code is that of the last command in it: no failure of its own. */
function close(line: Line, shell: boolean): Made {
  const signal = text(line, 'signal');
  const exit = typeof line.exit === 'number' ? line.exit : undefined;
  const how = signal === undefined ? (exit === undefined ? (text(line, 'outcome') ?? '') : `exit ${exit}`) : `signal ${signal}`;
  const lost = number(line, 'unrecorded');
  const parts = [how, `${bytes(number(line, 'bytes_in'))} in`, `${bytes(number(line, 'bytes_out'))} out`, lost > 0 && `${bytes(lost)} not recorded`];
  const bad = signal !== undefined || (!shell && exit !== undefined && exit !== 0);
  return { label: 'closed', text: '', result: parts.filter(Boolean).join(', '), tone: bad ? 'bad' : 'quiet', groups: [], took: number(line, 'd') };
}

function refused(line: Line): Made {
  const what = [text(line, 'what'), text(line, 'name')].filter(Boolean).join(' ');
  return { label: 'refused', text: what, result: text(line, 'why') ?? '', tone: 'bad', groups: ['refused'] };
}

function words(line: Line): Made {
  return { label: text(line, 'kind') ?? '', text: text(line, 'text') ?? '', result: '', tone: 'plain', groups: [], took: 0 };
}

const KINDS: Record<string, (line: Line, shell: boolean) => Made> = {
  simple: statement,
  extended: statement,
  function: statement,
  commit: statement,
  request,
  file,
  change,
  open,
  close,
  refused,
  list: (line) => ({ label: 'listed', text: text(line, 'path') ?? '', result: '', tone: 'plain', groups: ['folders listed'] }),
  listen: (line) => ({ label: 'listens', text: text(line, 'to') ?? '', result: '', tone: 'plain', groups: ['listens'] }),
  said: (line) => ({ label: 'Ajar said', text: text(line, 'text') ?? '', result: '', tone: 'quiet', groups: [] }),
  resize: (line) => ({ label: 'resized', text: '', result: `${number(line, 'cols')}×${number(line, 'rows')}`, tone: 'quiet', groups: [] }),
  output: words,
  'error output': words,
  input: words,
  'cut off': words,
  unreadable: (line) => ({ label: 'not readable', text: text(line, 'why') ?? '', result: '', tone: 'bad', groups: [] }),
};

/** What a line says; a kind that nobody knows yet is shown as it stands. `shell`: it is of a channel with a terminal. */
export function entry(n: number, line: Line, shell = false): Entry {
  const kind = text(line, 'kind') ?? '';
  const make = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  const made = make?.(line, shell) ?? { label: kind, text: JSON.stringify(line), result: '', tone: 'plain' as const, groups: [] };
  const ch = typeof line.ch === 'number' ? line.ch : null;
  return { n, at: number(line, 't'), ch, line, ...made, took: made.took ?? null };
}

/** What else is known of an entry, for whoever opens it: a name and a value each. */
export function details({ line, ch }: Entry): [string, string][] {
  const found: [string, string][] = [];
  const say = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') found.push([name, value]);
  };
  const size = (name: string, field: string) => {
    if (typeof line[field] === 'number') say(name, bytes(number(line, field)));
  };
  if (ch !== null) say('Channel', String(ch));
  if (typeof line.rows === 'number') say('Rows', String(line.rows));
  size('Sent to the client', 'row_bytes');
  for (const [name, field] of [['Copied in', 'copy_in'], ['Copied out', 'copy_out']] as const) {
    const copied = object(line, field);
    if (copied) say(name, bytes(number(copied, 'bytes')));
  }
  if (line.kind === 'extended') say('Protocol', 'extended query');
  say('Prepared as', text(line, 'name'));
  say('Portal', text(line, 'portal'));
  size('The whole text', 'sql_bytes');
  say('SHA-256 of the text', text(line, 'sql_sha256'));
  size('Request body', 'bytes_in');
  size('Response body', 'bytes_out');
  say('Named', text(line, 'named'));
  say('SHA-256 read', text(line, 'sha256_read'));
  say('SHA-256 written', text(line, 'sha256_written'));
  for (const [name, field] of [
    ['Request headers', 'request_headers'],
    ['Request', 'request_body'],
    ['Response headers', 'response_headers'],
    ['Response', 'response_body'],
    ['Environment', 'env'],
  ] as const) {
    const value = line[field];
    if (value !== undefined) say(name, typeof value === 'string' ? value : JSON.stringify(value, null, 1));
  }
  return found;
}
