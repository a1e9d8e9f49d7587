// Read from real recordings: made with psql, curl, ssh and sftp.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { details, type Entry } from '../src/lib/recording/entry';
import { bytes, lasted, moment, offset, stamp } from '../src/lib/recording/figures';
import { beside, Finder, oneLine, parts, placeAt, printedHits, shown } from '../src/lib/recording/find';
import { Lines } from '../src/lib/recording/lines';
import { Model } from '../src/lib/recording/model';

function read(name: string, piece = 97): Model {
  const model = new Model();
  const lines = new Lines();
  const bytes = readFileSync(new URL(`recordings/${name}.ndjson`, import.meta.url));
  // In pieces of an odd size: lines and characters come cut in two.
  for (let at = 0; at < bytes.length; at += piece) for (const line of lines.push(bytes.subarray(at, at + piece))) model.line(line);
  expect(lines.rest()).toBe('');
  return model;
}

const brief = ({ label, text, result, tone }: Entry) => [label, text.split('\n')[0], result, tone].join(' | ');

describe('a recording of PostgreSQL', () => {
  const model = read('postgres');

  it('says whose it is', () => {
    expect(model.head).toMatchObject({ protocol: 'postgres', session: expect.stringMatching(/^sess_/), request: expect.stringMatching(/^req_/) });
  });

  it('is a list of statements with what came of them', () => {
    expect(model.entries.map(brief)).toEqual([
      ' | select * from orders limit 5; | SELECT 5 | plain',
      ' | select count(*), status | SELECT 4 | plain',
      ' | begin; | BEGIN | plain',
      " | update orders set status = 'paid' where id in (3, 4); | UPDATE 2 | changed",
      ' | commit; | COMMIT | plain',
      ' | insert into orders select * from orders where false; | INSERT 0 0 | changed',
      ' | select nonsense from nowhere; | ERROR 42P01: relation "nowhere" does not exist | bad',
      ' | create temp table scratch (id int, note text); | CREATE TABLE | changed',
      ' | copy scratch from stdin; | COPY 3 | changed',
      ' | copy (select * from orders limit 3) to stdout; | COPY 3 | plain',
      ' | delete from scratch where id = 2; | DELETE 1 | changed',
      " | select 'a very long statement ' || $$ | SELECT 1 | plain",
      ' | prepare p as select $1::int + 1; | PREPARE | plain',
      ' | execute p(41); | SELECT 1 | plain',
      ' | select 1; | SELECT 1 | plain',
      ' | select 2; | SELECT 1 | plain',
    ]);
    expect(details(model.entries[8]!)).toEqual([
      ['Rows', '3'],
      ['Copied in', '21 B'],
    ]);
  });

  it('is summed up: what was read, changed and transferred', () => {
    expect(model.summary.groups().slice(0, 2)).toEqual([
      { name: 'SELECT', count: 6, tone: 'plain' },
      { name: 'COPY', count: 2, tone: 'changed' },
    ]);
    expect(model.summary.failed).toBe(1);
    expect(Object.fromEntries(model.summary.figures())).toEqual({
      'Rows read': '16 rows',
      'Rows changed': '6 rows',
      'Rows sent': '521 B',
      'Copied in': '21 B',
      'Copied out': '121 B',
    });
  });

  it('can be cut down to a group, searched, and entered at a time', () => {
    expect(shown(model.entries, 'failed').map(({ n }) => n)).toEqual([6]);
    expect(shown(model.entries, 'COPY').map(({ n }) => n)).toEqual([8, 9]);
    expect(shown(model.entries, '')).toBe(model.entries);
    const finder = new Finder();
    const found = (wanted: string, only = '') => finder.find(model.entries, model.lost, wanted, only);
    expect(found('FROM  orders')).toEqual([0, 1, 5, 9]);
    expect(found('from orders', 'COPY')).toEqual([9]);
    expect(found('does not exist')).toEqual([6]);
    expect(found('  ')).toEqual([]);
    // What comes later is found, too; what was forgotten is not.
    expect(finder.find(model.entries.slice(0, 5), 0, 'orders', '')).toEqual([0, 1, 3]);
    expect(finder.find(model.entries, 0, 'orders', '')).toEqual([0, 1, 3, 5, 9]);
    expect(finder.find(model.entries.slice(2), 2, 'orders', '')).toEqual([3, 5, 9]);
    expect([41_740, 41_740.0001, 41_000, 42_000].map((micros) => placeAt(model.entries, micros))).toEqual([11, 11, 10, 11]);
    expect(placeAt(model.entries, 99_000_000)).toBe(15);
    expect(placeAt([], 1)).toBe(-1);
  });
});

describe('a recording of HTTP', () => {
  const model = read('http');

  it('is a list of requests', () => {
    expect(model.entries.map(brief)).toEqual([
      'GET | /orders | 200 | plain',
      'GET | /orders/3 | 200 | plain',
      'GET | /orders?status=paid&token=… | 200 | plain',
      'GET | /nothing | 404 | bad',
      'POST | /orders/3/refund | 200 | changed',
    ]);
    expect(model.summary.groups().map(({ name, count }) => `${name} ${count}`)).toEqual(['2xx 4', 'GET 4', '4xx 1', 'POST 1']);
  });
});

describe('a recording of SSH', () => {
  it('shows what a command printed, in pieces by what it is', () => {
    const model = read('exec');
    expect(model.entries.map(({ label }) => label)).toEqual(['exec', 'output', 'error output', 'closed']);
    expect(model.entries[1]!.text).toMatch(/^out\n1\n2\n[^]*50\n$/);
    expect(model.entries[3]!.result).toBe('exit 0, 0 B in, 149 B out');
    expect(model.terminals).toEqual([]);
  });

  it('lists files with sizes and digests, and what was done to others', () => {
    const model = read('sftp');
    expect(model.entries.map(brief)).toEqual([
      'subsystem | sftp | as root | plain',
      'mkdir | /srv/remote | done | changed',
      'file written | /srv/remote/up.txt | 13 B written | changed',
      'file written | /srv/remote/big.bin | 300 kB written | changed',
      'file read | /srv/pg.sql | 670 B read | plain',
      'rename | /srv/remote/up.txt → /srv/remote/renamed.txt | done | changed',
      'listed | /srv/ |  | plain',
      'remove | /srv/remote/renamed.txt | done | changed',
      'remove | /srv/remote/missing.txt | failed: no such file | bad',
      'closed |  | exit 0, 301 kB in, 2.8 kB out | quiet',
    ]);
    expect(model.summary.files.map(({ path, way, size, ok }) => [path, way, size, ok])).toEqual([
      ['/srv/remote/up.txt', 'written', 13, true],
      ['/srv/remote/big.bin', 'written', 300_000, true],
      ['/srv/pg.sql', 'read', 670, true],
    ]);
    expect(model.summary.files[0]!.sha256).toMatch(/^1c87b672/);
  });

  it('says which forwards were opened and refused', () => {
    expect(read('forward').entries.map(brief)).toEqual([
      'refused | the forward 127.0.0.1:1 | role deploy does not allow it | bad',
      expect.stringMatching(/^forward \| 127\.0\.0\.1:\d+ \|  \| plain$/),
      'closed |  | 84 B in, 0 B out | quiet',
    ]);
  });

  it('keeps a terminal by itself: its frames, sizes and end', () => {
    const { terminals, entries } = read('terminal');
    const [terminal] = terminals;
    expect(terminal).toMatchObject({ ch: 0, what: 'shell', size: [100, 30], how: expect.stringMatching(/^exit 3/) });
    expect(terminal!.frames.filter((frame) => 'cols' in frame)).toMatchObject([{ cols: 80, rows: 24 }]);
    expect(terminal!.ended).toBeGreaterThan(terminal!.frames.at(-1)!.at - 1);
    expect(entries.map(({ label }) => label)).toEqual(['shell', 'closed']);
    // The same, however it is cut into pieces.
    expect(read('terminal', 4_096).terminals[0]!.transcript.lines).toEqual(terminal!.transcript.lines);
  });

  it('w02 what steers a reader is replaced before a terminal sees it', () => {
    const [terminal] = read('terminal').terminals;
    const shown = terminal!.frames.map((frame) => ('text' in frame ? frame.text : '')).join('');
    expect(shown).toContain('a\ufffdevil 日本');
    expect(shown).not.toContain('\u202e');
  });
});

describe('what a terminal printed', () => {
  const { lines } = read('terminal').terminals[0]!.transcript;
  const texts = lines.map(({ text }) => text);

  it('is lines as they were on the screen, without sequences', () => {
    expect(texts).toContain('deploy@orders-web-1:~$ echo "fix order 3" | sed s/fix/repair/');
    expect(texts).toContain('repair order 3');
    expect(texts).toContain('link red');
    expect(texts).toContain('a\ufffdevil 日本');
    expect(texts.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  it('has a line that is longer than the screen as one', () => {
    expect(texts.filter((text) => text.includes('evil.example')).length).toBe(1);
    expect(texts.find((text) => text.includes('evil.example'))).toMatch(/^deploy.*\\n"$/);
  });

  it('has what was written over, too', () => {
    expect(texts.filter((text) => /^step \d of 3$/.test(text))).toEqual(['step 1 of 3', 'step 2 of 3', 'step 3 of 3']);
  });

  it('has what was typed in an editor, marked as such', () => {
    const found = printedHits(lines, 'hello from VI').map((place) => lines[place]!);
    expect(found.map(({ full }) => full)).not.toContain(false);
    // For a moment, the editor showed the next key behind it.
    expect(new Set(found.map(({ text }) => text))).toEqual(new Set(['hello from vi', 'hello from vi:']));
    expect(found[0]!.until).toBeGreaterThan(found[0]!.since);
  });

  it('is in the order of its times', () => {
    const times = lines.map(({ until }) => until);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});

describe('the model', () => {
  const head = '{"format":"ajar-recording/1","session":"sess_1","protocol":"postgres","started":"2026-01-31T17:00:00Z"}';
  const one = (t: number) => `{"t":${t},"d":5,"kind":"simple","sql":"select ${t}","tag":"SELECT 1","rows":1}`;

  it('forgets the oldest when it is full, and goes on counting', () => {
    const model = new Model(100_000, 1_000);
    model.line(head);
    for (let t = 0; t < 5_000; t++) {
      if (model.full) model.forget();
      model.line(one(t));
    }
    expect(model.entries.length).toBeLessThanOrEqual(1_001);
    expect(model.entries.length).toBeGreaterThan(100);
    expect(model.entries[0]!.n).toBe(model.lost);
    expect(model.entries.at(-1)).toMatchObject({ n: 4_999, text: 'select 4999' });
    expect(model.summary.groups()).toEqual([{ name: 'SELECT', count: 5_000, tone: 'plain' }]);
    expect(model.until).toBe(5_004);
  });

  it('forgets frames of terminals, too', () => {
    const model = new Model(10_000);
    model.line(head.replace('postgres', 'ssh'));
    model.line('{"t":1,"ch":0,"kind":"open","what":"shell","term":"xterm","cols":0,"rows":99999}');
    for (let t = 2; t < 500; t++) {
      if (model.full) model.forget();
      model.line(`{"t":${t},"ch":0,"kind":"out","data":"${'x'.repeat(100)}"}`);
    }
    const terminal = model.terminal(0)!;
    expect(terminal.size).toEqual([80, 1_000]);
    expect(terminal.lost + terminal.frames.length).toBe(498);
    expect(terminal.frames.length).toBeLessThan(80);
  });

  it('shows what it does not know, and lines that are cut off, as they stand', () => {
    const model = new Model();
    for (const line of [head, '{"t":1,"kind":"a new one","x":"y"}', '{"t":2,"kind":"simple","sql":"sel', '[1]', '{"kind":"toString"}']) model.line(line);
    expect(model.entries.map(brief)).toEqual([
      'a new one | {"t":1,"kind":"a new one","x":"y"} |  | plain',
      'cut off | {"t":2,"kind":"simple","sql":"sel |  | plain',
      'cut off | [1] |  | plain',
      'toString | {"kind":"toString"} |  | plain',
    ]);
  });

  it('tells terminals what Ajar said, as inert text', () => {
    const model = new Model();
    model.line(head.replace('postgres', 'ssh'));
    model.line('{"t":1,"ch":0,"kind":"open","what":"shell","term":"xterm","cols":80,"rows":24}');
    model.line('{"t":2,"kind":"said","text":"ends in\\n60 s\\u001b[2J"}');
    expect(model.terminal(0)!.frames).toEqual([{ at: 2, text: '\r\nends in\r\n60 s\\u{1b}[2J\r\n' }]);
  });
});

describe('a statement that takes long', () => {
  const head = JSON.stringify({ format: 'ajar-recording/1', session: 'sess_1', protocol: 'postgres', started: '2026-11-26T10:00:00Z' });
  const sleeps = (more: object) => JSON.stringify({ t: 5_000, d: 1_000_000, kind: 'simple', sql: 'select pg_sleep(9)', ...more });
  const running = sleeps({ outcome: 'running', rows: 7, row_bytes: 70 });
  const done = sleeps({ d: 9_000_000, tag: 'SELECT 1', rows: 1, row_bytes: 4 });
  const other = JSON.stringify({ t: 5_000, d: 10, kind: 'simple', sql: 'select 1', tag: 'SELECT 1', rows: 1 });
  const of = (...lines: string[]) => {
    const model = new Model();
    for (const line of [head, ...lines]) model.line(line);
    return model;
  };
  const groups = (model: Model) => model.summary.groups().map(({ name, count, tone }) => `${name} ${count} ${tone}`);

  it('is shown while it runs, and comes to nothing yet', () => {
    const model = of(running);
    expect(model.entries.map(brief)).toEqual([' | select pg_sleep(9) | running | quiet']);
    expect(model.entries[0]!.took).toBeNull();
    expect(groups(model)).toEqual(['running 1 quiet']);
    expect(model.summary.figures()).toEqual([]);
    expect(shown(model.entries, 'running')).toHaveLength(1);
  });

  it('is shown once, as it ended, in the place where it began', () => {
    const model = of(running, running, other, done);
    expect(model.entries.map(brief)).toEqual([' | select pg_sleep(9) | SELECT 1 | plain', ' | select 1 | SELECT 1 | plain']);
    expect(model.entries.map(({ n, took }) => [n, took])).toEqual([[0, 9_000_000], [1, 10]]);
    expect(groups(model)).toEqual(['SELECT 2 plain']);
    expect(Object.fromEntries(model.summary.figures())).toEqual({ 'Rows read': '2 rows', 'Rows sent': '4 B' });
  });

  it('is shown once, too, when its end comes first', () => {
    const model = of(done, running, other);
    expect(model.entries.map(brief)).toEqual([' | select pg_sleep(9) | SELECT 1 | plain', ' | select 1 | SELECT 1 | plain']);
    expect(groups(model)).toEqual(['SELECT 2 plain']);
  });

  it('that never ends is unfinished at the end', () => {
    const model = of(running, sleeps({ d: 60_000_000, outcome: 'unfinished' }));
    expect(model.entries.map(brief)).toEqual([' | select pg_sleep(9) | unfinished | quiet']);
    expect(groups(model)).toEqual(['unfinished 1 quiet']);
  });

  it('is another than one of the same time with another text, and than one that runs again', () => {
    const model = of(running, other, done, sleeps({ t: 6_000, outcome: 'running' }));
    expect(model.entries.map(({ at, result }) => [at, result])).toEqual([[5_000, 'SELECT 1'], [5_000, 'SELECT 1'], [6_000, 'running']]);
    expect(of(done, done).entries).toHaveLength(2);
  });

  it('is found as what it is by now', () => {
    const model = of(other, running);
    const finder = new Finder();
    const found = (wanted: string, only = '') => finder.find(model.entries, model.lost, wanted, only);
    expect(found('running')).toEqual([1]);
    model.line(other);
    model.line(done);
    expect(found('running')).toEqual([]);
    const later = of(running, other);
    const among = new Finder();
    expect(among.find(later.entries, 0, 'select 1', '')).toEqual([1]);
    later.line(done);
    later.line(other);
    expect(among.find(later.entries, 0, 'select 1', '')).toEqual([0, 1, 2]);
    expect(among.find(later.entries, 0, 'pg_sleep', 'SELECT')).toEqual([0]);
  });

  it('whose beginning was forgotten is shown when it ends', () => {
    const model = new Model(1_000_000, 8);
    for (const line of [head, running, ...Array.from({ length: 11 }, (_, at) => JSON.stringify({ t: 6_000 + at, d: 1, kind: 'simple', sql: `select ${at}`, tag: 'SELECT 1' }))]) model.line(line);
    model.forget();
    expect(model.lost).toBeGreaterThan(0);
    model.line(done);
    expect(brief(model.entries.at(-1)!)).toBe(' | select pg_sleep(9) | SELECT 1 | plain');
    expect(model.entries.map(({ n }) => n)).toEqual(model.entries.map((_, at) => model.lost + at));
    expect(model.summary.running).toBe(0);
  });
});

describe('what is looked for', () => {
  it('is marked where it is', () => {
    expect(parts('Select orders, ORDERS', 'orders')).toEqual([
      { text: 'Select ', hit: false },
      { text: 'orders', hit: true },
      { text: ', ', hit: false },
      { text: 'ORDERS', hit: true },
    ]);
    expect(parts('İx', 'x')).toEqual([{ text: 'İx', hit: false }]);
    expect(parts('abc', '')).toEqual([{ text: 'abc', hit: false }]);
  });

  it('goes on around the end', () => {
    expect(beside([2, 5, 9], 5, true)).toBe(9);
    expect(beside([2, 5, 9], 9, true)).toBe(2);
    expect(beside([2, 5, 9], 5, false)).toBe(2);
    expect(beside([2, 5, 9], 1, false)).toBe(9);
    expect(beside([], 0, true)).toBeUndefined();
  });

  it('is in one inert line', () => {
    expect(oneLine('select\n\t1; \u202e')).toBe('select 1; \\u{202e}');
    expect(oneLine('x'.repeat(900))).toHaveLength(401);
  });
});

describe('figures', () => {
  it('are short', () => {
    expect([0, 999, 1_000, 1_234, 99_949, 300_000, 5e9].map(bytes)).toEqual(['0 B', '999 B', '1.0 kB', '1.2 kB', '100 kB', '300 kB', '5.0 GB']);
    expect([450, 12_345, 3_200_000, 65_000_000].map(lasted)).toEqual(['0.45 ms', '12 ms', '3.2 s', '1:05']);
    expect([0, 62_345_678, 3_662_345_000].map(offset)).toEqual(['0:00.000', '1:02.345', '1:01:02.345']);
    expect(stamp(3_725)).toBe('1:02:05');
  });

  it('read times that people type', () => {
    expect(['1:02', '62', '+1:00:02.5', '1m2s', ' 2h ', '5:'].map(moment)).toEqual([62, 62, 3_602.5, 62, 7_200, null]);
    expect([moment(''), moment('soon')]).toEqual([null, null]);
  });
});
