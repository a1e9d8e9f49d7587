// Those who are asked let the others know that they have looked.
import { ask, requestSee } from './api';

const told = new Set<string>();

/** Says once that a request was looked at; that it could not be said is no loss to who reads. */
export function see(id: string): void {
  if (told.has(id)) return;
  told.add(id);
  ask(requestSee({ path: { id } })).catch(() => told.delete(id));
}
