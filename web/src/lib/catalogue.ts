// What roles are, in words.
import { call } from './api';

interface Described {
  items: { name: string; roles: { name: string; words: string }[] }[];
}

/** `orders-db/read` → its words. Nothing when the server doesn't say: they help, and nothing depends on them. */
export async function roleWords(): Promise<Map<string, string>> {
  try {
    const { items } = await call<Described>('GET', 'catalogue');
    return new Map(items.flatMap((resource) => resource.roles.map((role) => [`${resource.name}/${role.name}`, role.words] as const)));
  } catch {
    return new Map();
  }
}
