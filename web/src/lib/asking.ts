// What somebody wishes for, as a form and a link have it; what is wrong with it; and what the rules' answer means in words.
import type { Ask, ExplainedStage, Explanation, NewRequest, Refused, Stage } from './api';
import { readAsks, writeAsks } from './resources';
import { seconds } from './time';

export interface Wish {
  resource: string;
  /** Empty: the resource's default. */
  role: string;
  /** Empty: the rules' default. */
  for: string;
  reason: string;
  ticket: string;
  scope: string;
  /** As `<input type=datetime-local>` has it, in the reader's zone; empty: as soon as it is approved. */
  starts: string;
  behalf: string;
  emergency: boolean;
  also: Ask[];
}

export type Field = 'resource' | 'role' | 'for' | 'reason' | 'ticket' | 'scope' | 'starts' | 'behalf' | 'also';
export type Problems = Partial<Record<Field, string>>;

/** A link's query as a wish. */
export function wishOf(query: URLSearchParams): Wish {
  const said = (key: string) => query.get(key)?.trim() ?? '';
  return {
    resource: said('resource'),
    role: said('role'),
    for: said('for'),
    reason: said('reason'),
    ticket: said('ticket'),
    scope: said('scope'),
    starts: local(said('at')),
    behalf: said('behalf'),
    emergency: query.get('emergency') === '1',
    also: readAsks(query.get('also')),
  };
}

/** A wish as a link's query. Reason and scope are not written into it: they may be erased later, and links are kept elsewhere. */
export function queryOf(wish: Wish): Record<string, string | null> {
  return {
    resource: wish.resource,
    role: wish.role,
    for: wish.for.trim(),
    ticket: wish.ticket.trim(),
    at: instant(wish.starts),
    behalf: wish.behalf.trim(),
    emergency: wish.emergency ? '1' : null,
    also: wish.emergency ? null : writeAsks(wish.also),
  };
}

/** `2026-01-31T17:00` in the reader's zone → the instant in UTC; null when it is none. */
export function instant(local: string): string | null {
  const at = new Date(local);
  return local === '' || Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** An instant → what `<input type=datetime-local>` wants; empty when it is none. */
export function local(instant: string): string {
  const at = new Date(instant);
  if (instant === '' || Number.isNaN(at.getTime())) return '';
  const two = (n: number) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** `1 h 30 min` → `1h30m`, as the server wants it; null when it is no length of time. */
export function length(text: string): string | null {
  const tidy = text.toLowerCase().replace(/\s+/g, '').replace(/(\d)(?:minutes?|mins?)/g, '$1m').replace(/(\d)(?:hours?|hrs?)/g, '$1h').replace(/(\d)days?/g, '$1d');
  const sum = seconds(tidy);
  return sum !== null && sum > 0 && sum <= 366 * 86_400 ? tidy : null;
}

/** Why what is written is no length of time. */
export function lengthWrong(text: string): string {
  const number = text.trim();
  return /^\d+$/.test(number) ? `Say of what: ${number}m for minutes, ${number}h for hours.` : 'Write a length of time such as 30m, 1h30m or 2d.';
}

/** What is sent to file it. */
export function requestOf(wish: Wish): NewRequest {
  const said = (text: string) => text.trim() || null;
  return {
    resource: wish.resource,
    role: said(wish.role),
    for: said(wish.for) && length(wish.for),
    reason: wish.reason.trim(),
    ticket: said(wish.ticket),
    scope: said(wish.scope),
    starts_at: wish.emergency ? null : instant(wish.starts),
    emergency: wish.emergency,
    also: wish.emergency ? [] : wish.also.filter((ask) => ask.resource).map((ask) => ({ resource: ask.resource, role: said(ask.role) })),
    on_behalf_of: said(wish.behalf),
  };
}

const shortest = (all: string[]): string | null => [...all].sort((a, b) => (seconds(a) ?? 0) - (seconds(b) ?? 0))[0] ?? null;

/** The longest that the rules allow for all of it, as far as they say. */
export function longest(all: Explanation[]): string | null {
  return shortest(all.map(most).filter((max) => max !== null));
}

function most(foretold: Explanation): string | null {
  if (foretold.max) return foretold.max;
  const kind = (effect: string) => effect === 'allow' || effect === 'break_glass';
  return shortest(foretold.rules.filter((r) => !r.passed_over && kind(r.effect) && r.max).map((r) => r.max as string));
}

/** What the rules miss in it, each once. */
export function lacking(foretold: Explanation): string[] {
  return [...new Set(foretold.rules.filter((r) => !r.passed_over && r.lacks).map((r) => r.lacks as string))];
}

const PRESETS = ['10m', '30m', '1h', '2h', '4h', '8h', '1d', '7d'];

/** Lengths to choose from, up to the longest. */
export function presets(max: string | null): string[] {
  const limit = max === null ? null : seconds(max);
  if (max === null || limit === null) return PRESETS.slice(0, 4);
  const shorter = PRESETS.filter((p) => (seconds(p) ?? 0) < limit);
  return [...shorter.slice(-5), max];
}

/** What is wrong with it, as far as can be said before asking: each beside its field. */
export function problems(wish: Wish, foretold: Explanation[], now: number): Problems {
  const found: Problems = {};
  if (!wish.resource) found.resource = 'Choose what you want to get into.';
  if (wish.for.trim()) {
    const asked = length(wish.for);
    const limit = longest(foretold);
    if (asked === null) found.for = lengthWrong(wish.for);
    else if (limit && (seconds(asked) ?? 0) > (seconds(limit) ?? 0)) found.for = `The rules allow ${limit} at the most.`;
  }
  const least = Math.max(0, ...foretold.map((f) => f.reason_min ?? 0));
  const reason = wish.reason.trim();
  const missing = foretold.flatMap(lacking).find((text) => text.includes('reason'));
  if ([...reason].length < least) found.reason = `Write ${least} characters or more.`;
  else if (missing) found.reason = sentence(missing);
  for (const field of ['ticket', 'scope'] as const) {
    const wanted = foretold.some((f) => f[field]);
    const lack = foretold.flatMap(lacking).find((text) => text.includes(field));
    if (wanted && !wish[field].trim()) found[field] = field === 'ticket' ? 'Name the ticket.' : 'Say what exactly it is for.';
    else if (lack) found[field] = sentence(lack);
  }
  if (wish.starts && !wish.emergency) {
    const at = instant(wish.starts);
    if (at === null) found.starts = 'This is no date and time.';
    else if (new Date(at).getTime() <= now) found.starts = 'This is over already: leave it empty to begin as soon as it is approved.';
  }
  if (wish.also.some((ask) => ask.resource === wish.resource && ask.role === wish.role && ask.resource)) found.also = 'This is asked for already.';
  return found;
}

/** What fields are called in the API, where that is another name. */
const NAMED: Record<string, Field> = { starts_at: 'starts', at: 'starts', on_behalf_of: 'behalf' };
const FIELDS: Field[] = ['resource', 'role', 'for', 'reason', 'ticket', 'scope', 'starts', 'behalf', 'also'];

/** The field that a refusal by the server is about; null when it is about the whole. */
export function fieldOf({ field }: Pick<Refused, 'field'>): Field | null {
  const name = field === null ? undefined : (NAMED[field] ?? FIELDS.find((one) => one === field));
  return name ?? null;
}

/** With a capital: the server's words begin small. */
export function begun(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function sentence(text: string): string {
  if (text === '') return '';
  return /[.!?]$/.test(text) ? begun(text) : `${begun(text)}.`;
}

/** Who may decide, from the rules' words: `group:orders` → `group orders`. */
export function who(from: string[], resource: string): string {
  const one = (text: string) => {
    const [kind, name] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
    if (text === 'owners') return `the owners of ${resource}`;
    if (text === 'manager') return 'your manager';
    if (kind === 'group') return `group ${name}`;
    if (kind === 'on-call') return `whoever is on call for ${name}`;
    if (kind === 'user') return name;
    return text;
  };
  return from.map(one).join(' or ');
}

/** `Needs 1 of the owners of orders-db`. */
export function needs(stage: Stage, resource: string): string {
  return `${stage.needed} of ${who(stage.from, resource)}`;
}

/** The server's words for what would come of it, and `incomplete`, from the mildest to the strictest. */
const OUTCOMES = ['automatic', 'emergency', 'review', 'incomplete', 'denied', 'refused'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Nobody can decide it now, and then it is denied: at once. */
const hopeless = (stage: ExplainedStage) => !stage.can_be_fulfilled && (stage.otherwise[0] ?? 'deny') === 'deny';

/** An {@link Outcome}, or a word of the server's that isn't known here: what only lacks words isn't refused yet, and what nobody could decide is
 * as good as denied. */
export function outcome(foretold: Explanation): string {
  if (foretold.outcome === 'refused' && lacking(foretold).length > 0) return 'incomplete';
  if (foretold.outcome === 'review' && foretold.stages.some(hopeless)) return 'denied';
  return foretold.outcome;
}

/**
 * What the rules say of something, and of the same once its reason is long enough, where that is all that is known to be missing: who would be
 * asked, and for how long it would be, is worth knowing before a reason is written. What a pattern would fit can't be guessed.
 */
export async function foretelling(
  explain: (reason: string | undefined) => Promise<Explanation>,
  reason = '',
): Promise<{ first: Explanation; then: Explanation | undefined }> {
  const first = await explain(reason || undefined);
  const guess = outcome(first) === 'incomplete' && first.reason_min && !first.reason;
  return { first, then: guess ? await explain(reason.padEnd(first.reason_min ?? 0, '.')) : undefined };
}

/** The strictest of several; one that isn't known here counts as that. */
export function strictest(all: Explanation[]): string | null {
  const known: readonly string[] = OUTCOMES;
  const strict = (word: string) => (known.includes(word) ? known.indexOf(word) : known.length);
  return all.map(outcome).sort((a, b) => strict(b) - strict(a))[0] ?? null;
}

/** What is said of an outcome; one that isn't known here says itself. */
export function outcomeWords(words: Partial<Record<Outcome, string>>, of: string): string {
  return Object.entries(words).find(([word]) => word === of)?.[1] ?? sentence(of.replaceAll('_', ' '));
}

/** What happens when a stage isn't decided in time, from the rules' words. */
export function otherwise(stage: Stage): string {
  const step = (text: string) => (text === 'deny' ? 'it is denied' : text === 'next' ? 'the next stage begins' : `${who(text.split(' or '), 'the resource')} is asked`);
  return stage.otherwise.map(step).join(', then ') || 'it is denied';
}
