// What roles are, in words.
import { catalogue } from './lookback';

/** `orders-db/read` → its words. Nothing when the server doesn't say: they help, and nothing depends on them. */
export async function roleWords(): Promise<Map<string, string>> {
  try {
    return new Map((await catalogue()).flatMap((resource) => resource.roles.map((role) => [`${resource.name}/${role.name}`, role.words] as const)));
  } catch {
    return new Map();
  }
}
