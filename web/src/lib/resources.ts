// Finding a resource among those that somebody may ask for, and writing several roles on resources into a link.
import type { Ask, Resource } from './api';

function words(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** How well one word fits, the lower the better; null when it doesn't. */
function fit(resource: Resource, word: string): number | null {
  const name = resource.name.toLowerCase();
  if (name === word) return 0;
  if (name.startsWith(word)) return 1;
  if (name.includes(word)) return 2;
  if (resource.kind.startsWith(word)) return 3;
  const labels = Object.entries(resource.labels).map(([key, value]) => `${key}=${value}`.toLowerCase());
  if (labels.some((label) => label.includes(word))) return 3;
  return resource.description.toLowerCase().includes(word) ? 4 : null;
}

/** Resources in which every word of `query` is found (name, label, kind, description), the best first. */
export function find(resources: Resource[], query: string): Resource[] {
  const wanted = words(query);
  if (wanted.length === 0) return resources;
  const found: [number, Resource][] = [];
  for (const resource of resources) {
    const fits = wanted.map((word) => fit(resource, word));
    if (fits.every((f) => f !== null)) found.push([Math.max(...(fits as number[])), resource]);
  }
  return found.sort(([a, x], [b, y]) => a - b || x.name.localeCompare(y.name)).map(([, resource]) => resource);
}

/** `orders-db/write,web-1` → what it means; a role that isn't said is the default. */
export function readAsks(text: string | null): Ask[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const slash = part.indexOf('/');
      return slash < 0 ? { resource: part, role: '' } : { resource: part.slice(0, slash), role: part.slice(slash + 1) };
    });
}

export function writeAsks(asks: Ask[]): string {
  return asks
    .filter((ask) => ask.resource)
    .map((ask) => (ask.role ? `${ask.resource}/${ask.role}` : ask.resource))
    .join(',');
}

/** The role that is meant when none is said. */
export function usualRole(resource: Resource): string | undefined {
  return resource.default_role ?? (resource.roles.length === 1 ? resource.roles[0] : undefined);
}
