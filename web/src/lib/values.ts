// What the rules' conditions looked at, as rows: `{"orders-db/read":{"context.hours.office":true}}`.

export interface ValueRow {
  /** For which role on which resource; empty when it is said for all. */
  of: string;
  name: string;
  was: string;
}

function plain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function valueRows(values: unknown): ValueRow[] {
  if (!plain(values)) return [];
  return Object.entries(values).flatMap(([of, inner]) =>
    plain(inner)
      ? Object.entries(inner).map(([name, was]) => ({ of, name, was: said(was) }))
      : [{ of: '', name: of, was: said(inner) }],
  );
}

function said(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
