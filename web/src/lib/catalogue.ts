// What roles are, in words.
import { ask, catalogue } from './api';

/** `orders-db/read` → its words. Nothing when the server doesn't say: they help, and nothing depends on them. */
export async function roleWords(): Promise<Map<string, string>> {
  try {
    const { items } = await ask(catalogue());
    return new Map(items.flatMap((resource) => resource.roles.map((role) => [`${resource.name}/${role.name}`, role.words] as const)));
  } catch {
    return new Map();
  }
}
