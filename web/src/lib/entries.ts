// What there is to get into: the list, and which of it somebody looks for.
import type { CatalogueEntry, CatalogueRole } from './api';

/** So long a role must not have been used before it is said of it, in milliseconds. */
const LONG = 90 * 86_400_000;

/** How a role lies idle, in words; null when it doesn't. The server may be younger than 90 days: of nothing that was is not said since when. */
export function idle(role: Pick<CatalogueRole, 'last_used' | 'grants_90d'>, now: number = Date.now()): string | null {
  if (role.last_used) return now - new Date(role.last_used).getTime() > LONG ? 'not used for 90 days' : null;
  return role.grants_90d === 0 ? 'not used yet' : null;
}

export interface Wanted {
  q?: string;
  kind?: string;
  health?: string;
  /** `team=orders`. */
  label?: string;
  unused?: boolean;
}

export function labels(entry: CatalogueEntry): string[] {
  return Object.entries(entry.labels).map(([key, value]) => `${key}=${value}`);
}

/** Those that have every word in their name, description, labels, owners or roles, and are as wanted otherwise. */
export function matching(entries: CatalogueEntry[], wanted: Wanted): CatalogueEntry[] {
  const words = (wanted.q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => {
    const text = [entry.name, entry.description, ...labels(entry), ...entry.owners, ...entry.roles.map((role) => role.name)].join('\n').toLowerCase();
    return (
      words.every((word) => text.includes(word)) &&
      (!wanted.kind || entry.kind === wanted.kind) &&
      (!wanted.health || entry.health.state === wanted.health) &&
      (!wanted.label || labels(entry).includes(wanted.label)) &&
      (!wanted.unused || entry.roles.some((role) => idle(role) !== null))
    );
  });
}

/** Every value that there is to choose from, each once, in order. */
export function choices(entries: CatalogueEntry[], of: (entry: CatalogueEntry) => string[]): string[] {
  return [...new Set(entries.flatMap(of))].sort((a, b) => a.localeCompare(b));
}

export const KINDS: Record<string, string> = { postgres: 'PostgreSQL', ssh: 'SSH', http: 'HTTP' };

export const HEALTH: Record<string, string> = {
  good: 'Good',
  warning: 'Warning',
  bad: 'Bad',
  unknown: 'Not checked',
};

/** Whether `owners` has this person, or a group of theirs. */
export function owns(owners: string[], name: string, groups: string[]): boolean {
  return owners.includes(`user:${name}`) || groups.some((group) => owners.includes(`group:${group}`));
}
