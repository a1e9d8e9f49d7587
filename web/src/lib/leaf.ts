// Events as the ledger holds them: lines of JSON, whose bytes are what was hashed. The API's description says nothing of what is in a line;
// docs/ledger.md does.

export interface Leaf {
  seq: number;
  /** What it is about: `req_…`, `sess_…`, `policy`. */
  stream: string;
  version: number;
  kind: string;
  schema: number;
  at: string;
  actor: unknown;
  cause: string;
  body: unknown;
  /** The line itself. */
  text: string;
}

/** The events of an NDJSON answer; lines that are none are left out. */
export function leaves(ndjson: string): Leaf[] {
  return ndjson.split('\n').flatMap((text) => {
    const leaf = parseLeaf(text);
    return leaf ? [leaf] : [];
  });
}

export function parseLeaf(text: string): Leaf | null {
  try {
    const found = JSON.parse(text) as Partial<Leaf> | null;
    if (typeof found?.seq !== 'number' || typeof found.kind !== 'string') return null;
    return { ...(found as Leaf), text };
  } catch {
    return null;
  }
}

/** What events are about, by the beginning of their kinds. */
export const ABOUT = {
  request: 'Requests',
  grant: 'Grants',
  lease: 'Leases',
  session: 'Sessions',
  lock: 'Locks',
  delegation: 'Delegations',
  preapproval: 'Approvals given beforehand',
  debt: 'Reviews owed after emergencies',
  principal: 'People and workloads',
  token: 'Tokens',
  policy: 'Rules',
} as const;

/** `request.stage_entered` → `request: stage entered`. */
export function kindWords(kind: string): string {
  return kind.replace('.', ': ').replaceAll('_', ' ');
}

/** Who did it, and how they proved who they are (`password`, `token tok_…`); null when it was Ajar itself. */
export function actor(leaf: Pick<Leaf, 'actor'>): { id: string; proof: string } | null {
  const who = (leaf.actor as { principal?: { id?: unknown; proof?: unknown } } | null)?.principal;
  if (typeof who?.id !== 'string') return null;
  const proof = who.proof;
  if (typeof proof === 'string') return { id: who.id, proof };
  return { id: who.id, proof: Object.entries(proof ?? {}).flat().map(String).join(' ') };
}

/** Where the pages show what an id names; null when no page does. */
export function pageOf(id: string): string | null {
  if (/^req_[0-9a-z]+$/.test(id)) return `requests/${id}`;
  if (/^sess_[0-9a-z]+$/.test(id)) return `sessions/${id}`;
  return null;
}

/** Whether an id names a grant: it is shown on the page of its request, which the API says. */
export function isGrant(id: string): boolean {
  return /^grant_[0-9a-z]+$/.test(id);
}

/** A value that stands beside the ledger: in the event is only its commitment. */
export function isCommitment(value: string): boolean {
  return /^c1_[0-9a-f]{64}$/.test(value);
}
