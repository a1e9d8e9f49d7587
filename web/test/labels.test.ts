// INVARIANT I19: what somebody else has named stands in no heading, label, button or text as it is. Read from the pages' own source.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRawSnippet, type Component } from 'svelte';
import { parse } from 'svelte/compiler';
import { render } from 'svelte/server';
import { expect, it } from 'vitest';

const SRC = new URL('../src', import.meta.url).pathname;
/** Fields and variables that hold what people, their clients or the rules have named. */
const NAMED = new Set(['name', 'label', 'title', 'resource', 'role', 'principal', 'user', 'requester', 'beneficiary', 'reviewer', 'debtor', 'by', 'who', 'person', 'group', 'reason', 'value']);
/** What makes a text inert. */
const INERT = new Set(['line', 'inert', 'oneLine']);
/** Attributes that people read. */
const READ = new Set(['title', 'aria-label', 'aria-valuetext', 'aria-description', 'placeholder', 'alt']);
/** Components of ours that hand their attributes on to an element: what others are given they make inert themselves. */
const HANDED_ON = new Set(['Button', 'Chip', 'Combobox.Input', 'Tabs.List', 'Tabs.Trigger']);
/** Words of the pages' own, in their source; numbers; and what was made inert where it was cut into pieces. */
const OWN = new Set([
  'pages/Resources.svelte {label}', 'pages/Rules.svelte {name}', 'ui/Frame.svelte {name}', 'ui/Frame.svelte {waiting.value}', 'ui/Frame.svelte {`${waiting.value} waiting`}',
  'parts/LedgerList.svelte {name}', 'parts/LengthField.svelte {`${label}: usual ones`}', 'parts/More.svelte {list.busy ? \'Loading …\' : label}',
  'parts/ResourcePicker.svelte {label}', 'parts/Tabs.svelte {label}', 'parts/Timeline.svelte {day.name}', 'parts/recording/Controls.svelte {by}',
  'parts/recording/Entry.svelte {name}', 'parts/recording/Find.svelte {label}', 'parts/recording/Rows.svelte {label}', 'parts/recording/Sums.svelte {name}',
  'parts/recording/Sums.svelte {value}', 'parts/JsonFields.svelte {value}', "parts/JsonFields.svelte {value === null ? 'none' : String(value)}",
  'parts/Tabs.svelte {tabs[name]}', "parts/insight/Picture.svelte {value === null || value === undefined ? '–' : words(value)}",
]);

type Node = { type: string; [key: string]: unknown };
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
const inside = (node: Node) => Object.entries(node).flatMap(([key, value]) => (key === 'metadata' ? [] : [value].flat().filter(isNode)));

/** Whether it calls a method of this name: names that were joined are names still. */
function calls(call: Node, method: string): boolean {
  const callee = call.callee as Node & { property?: { name?: string } };
  return callee.type === 'MemberExpression' && callee.property?.name === method;
}

/** Whether an expression comes to such a name as it is. */
function raw(node: Node): boolean {
  switch (node.type) {
    case 'CallExpression': {
      const callee = node.callee as { type: string; name?: string };
      if (callee.type === 'Identifier' && INERT.has(callee.name!)) return false;
      if (callee.type === 'Identifier' && /^(listed|needs|otherwise|.*[wW]ords)$/.test(callee.name!)) return true;
      return calls(node, 'join') || inside(node).some(raw);
    }
    case 'ConditionalExpression':
      return [node.consequent, node.alternate].filter(isNode).some(raw);
    case 'BinaryExpression':
      return node.operator === '+' && inside(node).some(raw);
    case 'MemberExpression':
      // A table of the pages' own: `SCOPES[token.scope]`.
      return node.computed ? !/^[A-Z_]+$/.test((node.object as { name?: string }).name ?? '') : NAMED.has((node.property as { name: string }).name);
    case 'Identifier':
      return NAMED.has(node.name as string);
    case 'ArrowFunctionExpression':
      return isNode(node.body) && raw(node.body);
    default:
      return inside(node).some(raw);
  }
}

/** What of a component's template is shown as it came: each with the expression. */
function shownRaw(file: string, source: string): string[] {
  const found: string[] = [];
  const check = (tag: Node) => {
    const words = source.slice(tag.start as number, tag.end as number);
    if (raw(tag.expression as Node) && !OWN.has(`${file} ${words}`)) found.push(`${file} ${words}`);
  };
  const visit = (node: Node) => {
    if (node.type === 'ExpressionTag') return check(node);
    for (const attribute of Array.isArray(node.attributes) ? node.attributes.filter(isNode) : []) {
      if (!READ.has(attribute.name as string) || (node.type === 'Component' && !HANDED_ON.has(node.name as string))) continue;
      for (const part of [attribute.value].flat().filter(isNode)) if (part.type === 'ExpressionTag') check(part);
    }
    for (const key of ['nodes', 'fragment', 'body', 'fallback', 'consequent', 'alternate', 'pending', 'then', 'catch']) {
      for (const child of [node[key]].flat().filter(isNode)) visit(child);
    }
  };
  visit(parse(source, { modern: true }).fragment as unknown as Node);
  return found;
}

it('w02: tells what is inert from what is not', () => {
  const of = (template: string) => shownRaw('x', template).length;
  expect(of('{token.label}')).toBe(1);
  expect(of('{#each list as one}<td><Button>End<span> {one.user ?? one.resource}</span></Button></td>{/each}')).toBe(1);
  expect(of('<button aria-label={`End ${token.label}`}>End</button>')).toBe(1);
  expect(of('<Button aria-label="End {token.label}">End</Button>')).toBe(1);
  expect(of('<p>{stage.from.join(", ")}</p>')).toBe(1);
  expect(of('{who(a) ? askWords(grant) : ""}')).toBe(1);
  expect(of('{line(token.label)}<Text text={token.label} /><Dialog title={token.label} /><b aria-label={line(`End ${token.label}`)}></b>')).toBe(0);
  expect(of('{token.label ? "yes" : "no"}{KINDS[token.kind]}{names.length}')).toBe(0);
});

it('w02: no page shows a name that somebody else has given as it came', () => {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.svelte'));
  expect(files.length).toBeGreaterThan(80);
  expect(files.flatMap((file) => shownRaw(file, readFileSync(join(SRC, file), 'utf8')))).toEqual([]);
});

it('w02: headings, labels and what is copied are inert whoever says them', async () => {
  const [Page, Card, Field, Copy, Empty, Badge] = await Promise.all(
    ['Page', 'Card', 'Field', 'Copy', 'Empty', 'Badge'].map(async (name) => ((await import(`../src/ui/${name}.svelte`)) as { default: Component<Record<string, unknown>> }).default),
  );
  const evil = 'pay\u202egpj.exe\u0007';
  const children = createRawSnippet(() => ({ render: () => '<p>inside</p>' }));
  for (const [of, props] of [
    [Page, { title: evil, lead: evil }], [Card, { title: evil }], [Field, { label: evil, help: evil }], [Field, { label: evil, error: evil }],
    [Copy, { text: evil }], [Empty, { title: evil }], [Badge, { state: evil }],
  ] as const) {
    const { head, body } = render(of!, { props: { ...props, children } });
    expect(head + body).toContain('pay\\u{202e}gpj.exe\\u{7}');
    expect(head + body).not.toMatch(/[\u202e\u0007]/);
  }
});
