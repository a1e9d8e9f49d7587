// Deciding a request: what is said of it in words, what a review says, what came of it, and what can be done with it. No rules are here:
// the server says who may decide.
import type { Ask, Grant, NewReview, Request, Stage } from './api';
import { seconds, span } from './time';

export function same(one: Ask, other: Ask): boolean {
  return one.resource === other.resource && one.role === other.role;
}

export function askWords(ask: Ask): string {
  return `${ask.role} on ${ask.resource}`;
}

/** `a, b and c`. */
export function listed(words: string[], last = 'and'): string {
  if (words.length < 2) return words[0] ?? '';
  return `${words.slice(0, -1).join(', ')} ${last} ${words[words.length - 1]}`;
}

/** Everything that is asked for: `write on orders-db and read on billing-db`. */
export function whatWords(request: Pick<Request, 'asks'>): string {
  return listed(request.asks.map(askWords));
}

/** How much of what was asked for is approved: nothing is narrowed unless it is said. */
export interface Limits {
  /** For how long at the most, as it was typed. */
  length: string;
  /** Only these. */
  only: Ask[];
}

export function unlimited(request: Request): Limits {
  return { length: request.for, only: request.asks };
}

const LENGTHS = ['5m', '10m', '15m', '30m', '1h', '2h', '4h', '8h', '12h', '1d', '3d', '7d'];

/** The next shorter lengths, longest last: at most four. */
export function shorter(length: string): string[] {
  const most = seconds(length) ?? 0;
  return LENGTHS.filter((choice) => (seconds(choice) ?? 0) < most).slice(-4);
}

/** What is wrong with these limits; null when nothing. */
export function wrongLimits(request: Request, limits: Limits): string | null {
  const length = seconds(limits.length);
  if (length === null || length === 0) return 'Say a length such as 10m or 1h30m.';
  if (length > (seconds(request.for) ?? 0)) return `No longer than what was asked for: ${request.for}.`;
  if (limits.only.length === 0) return 'Choose at least one; or deny.';
  return null;
}

/** What the button says: `Approve for 10m`, `Approve 1 of 2 for 5m`. */
export function approveWords(request: Request, limits: Limits): string {
  const length = seconds(limits.length);
  const some = limits.only.length < request.asks.length ? ` ${limits.only.length} of ${request.asks.length}` : '';
  return `Approve${some} for ${length === null ? request.for : span(length)}`;
}

/** A review: limits are said only where they limit. */
export function review(request: Request, verdict: 'approve' | 'deny', note: string, limits: Limits): NewReview {
  const body: NewReview = { verdict };
  if (note.trim()) body.note = note.trim();
  if (verdict === 'deny') return body;
  const length = seconds(limits.length);
  if (length !== null && length !== seconds(request.for)) body.for = span(length);
  if (limits.only.length < request.asks.length) body.only = limits.only;
  return body;
}

/** Whether one's approve of it stands and can still be taken back. */
export function approveStands(request: Request, me: string): boolean {
  return request.state === 'pending' && request.reviews.some((r) => r.reviewer === me && r.verdict === 'approve' && !r.taken_back);
}

/** Who of those asked has not decided: whom it waits for. */
export function others(request: Request, me: string): string[] {
  return request.asked.filter((name) => name !== me);
}

/** What came of a decision, for who decided. Instants are in `at`, to be shown in the reader's zone. */
export interface Outcome {
  words: string;
  at?: string;
}

export function outcome(request: Request, me: string): Outcome {
  switch (request.state) {
    case 'pending': {
      const waits = others(request, me);
      const rest = waits.length > 0 ? ` It still needs ${listed(waits, 'or')}.` : ' It needs more than that.';
      return approveStands(request, me) ? { words: `Your approve counts.${rest}` } : { words: `It waits.${rest}` };
    }
    case 'approved':
      return opened(request);
    case 'denied':
      return { words: `Denied. ${request.requester} is told.` };
    case 'withdrawn':
      return { words: `${request.requester} does not ask for it any more.` };
    default:
      return { words: `It is ${request.state}.` };
  }
}

function opened(request: Request): Outcome {
  const who = request.beneficiary;
  const open = request.grants.filter((grant) => grant.state === 'open' && grant.ends_at);
  const last = open.at(-1)?.ends_at;
  if (last) return { words: `Approved. Open for ${who} until`, at: last };
  const failed = request.grants.find((grant) => grant.state === 'failed');
  if (failed) return { words: `Approved, but it did not open: ${failed.failed_because ?? 'no reason was given'}` };
  const scheduled = request.grants.find((grant) => grant.state === 'scheduled');
  if (scheduled?.redeem_by) return { words: `Approved. It opens when ${who} first uses it, until`, at: scheduled.redeem_by };
  if (scheduled?.opens_at) return { words: `Approved. It opens for ${who} at`, at: scheduled.opens_at };
  return { words: `Approved for ${who}.` };
}

/** Who may decide a stage, from the rules' word for it. */
export function candidateWords(word: string, request: Pick<Request, 'requester' | 'asks'>): string {
  const [kind, name] = word.includes(':') ? [word.slice(0, word.indexOf(':')), word.slice(word.indexOf(':') + 1)] : [word, ''];
  switch (kind) {
    case 'owners':
      return `the owners of ${listed([...new Set(request.asks.map((ask) => ask.resource))])}`;
    case 'manager':
      return `${request.requester}'s manager`;
    case 'group':
      return `the group ${name}`;
    case 'on-call':
      return `who is on call in ${name}`;
    case 'user':
      return name;
    default:
      return word;
  }
}

/** Where each stage stands, as far as it can be known: over, waiting, or still to come. */
export function stageStates(request: Request): ('over' | 'waits' | 'later' | 'unknown')[] {
  const waits = request.stages.findIndex((stage) => stage.waiting);
  return request.stages.map((_, at) => {
    if (waits < 0) return request.state === 'approved' ? 'over' : 'unknown';
    return at < waits ? 'over' : at === waits ? 'waits' : 'later';
  });
}

/** Until when it is to be decided, as far as it can be known: a first stage that nothing else follows is over sooner than the request. */
export function waitsUntil(request: Request): string {
  const first = request.stages[0];
  const within = first?.waiting && first.otherwise[0] === 'deny' && !request.reviews.some((r) => r.taken_back) ? seconds(first.within) : null;
  if (within === null) return request.expires_at;
  const until = new Date(new Date(request.filed_at).getTime() + within * 1_000).toISOString();
  return until < request.expires_at ? until : request.expires_at;
}

/** What happens when a stage is not decided in time. */
export function otherwiseWords(stage: Stage, request: Pick<Request, 'requester' | 'asks'>): string {
  if (stage.otherwise.length === 0 || stage.otherwise[0] === 'deny') return 'it is denied';
  if (stage.otherwise[0] === 'next') return 'the next stage decides';
  const steps = stage.otherwise.map((step) => step.split(' or ').map((word) => candidateWords(word, request)).join(' or '));
  return `${steps.join(', then ')} ${stage.otherwise.length === 1 && !steps[0]?.includes(' or ') ? 'is' : 'are'} asked too; then it is denied`;
}

/** Why it was denied; what people wrote comes apart, as `note`. */
export function deniedWords(request: Request): { words: string; note?: string | null } | null {
  if (request.state !== 'denied') return null;
  const denial = request.reviews.find((r) => r.verdict === 'deny' && !r.taken_back);
  switch (request.denied_because) {
    case 'review':
      return { words: denial ? `${denial.reviewer} denied it.` : 'Somebody who was asked denied it.', note: denial?.note };
    case 'automatic':
      return { words: `The rules deny it: ${listed(request.automatic?.rules ?? request.rules)}.` };
    case 'rules':
      return { words: 'The rules do not allow it any more.' };
    case 'requester_disabled':
      return { words: `${request.beneficiary} can do nothing any more: disabled, or no longer in the files.` };
    case 'nobody_can_decide':
      return { words: 'Nobody was able to decide it.' };
    case 'stage_timed_out':
      return { words: 'Nobody decided it in time.' };
    case 'grant_over':
      return { words: 'What it was to go on with is over.' };
    default:
      return { words: `It was denied: ${request.denied_because ?? 'no reason was given'}.` };
  }
}

const ENDED: Record<string, string> = {
  expired: 'its time was over',
  returned: 'given back',
  revoked: 'revoked',
  denied_late: 'denied after it was approved',
  locked: 'locked',
  principal_disabled: 'its holder was disabled',
  resource_removed: 'the resource is no longer in the files',
  used: 'it was for one session',
  not_allowed_any_more: 'not allowed any more',
  extended: 'extended',
};

/** Why a grant ended, in words. */
export function endedWords(grant: Grant): string {
  return ENDED[grant.closed_because ?? ''] ?? grant.closed_because?.replaceAll('_', ' ') ?? '';
}

/** What somebody can do with a request, deciding apart. */
export interface RequestActions {
  withdraw: boolean;
  takeBack: boolean;
  comment: boolean;
  /** What to ask for again: the query of the page where one asks. */
  again: string | null;
}

export function requestActions(request: Request, me: string): RequestActions {
  const pending = request.state === 'pending';
  const mine = request.requester === me;
  const over = !pending && request.grants.every((grant) => grant.state === 'closed' || grant.state === 'failed');
  return {
    withdraw: pending && (mine || request.beneficiary === me),
    takeBack: approveStands(request, me),
    comment: pending,
    again: mine && over ? again(request) : null,
  };
}

function again(request: Request): string {
  return new URLSearchParams({ resource: request.resource, role: request.role, for: request.for }).toString();
}

/** Those already shown stay where they are; who comes new comes last, so that nothing moves under a finger. */
export function arranged(before: string[], now: string[]): string[] {
  const [shown, there] = [new Set(before), new Set(now)];
  return [...before.filter((id) => there.has(id)), ...now.filter((id) => !shown.has(id))];
}

/** What must be decided first comes first. */
export function bySoonest(requests: Request[]): Request[] {
  return [...requests].sort((a, b) => waitsUntil(a).localeCompare(waitsUntil(b)));
}
