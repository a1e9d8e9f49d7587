// The accesses of a time, in numbers.
import type { Access } from './api';

export interface Summary {
  accesses: number;
  people: number;
  emergencies: number;
  open: number;
  /** Ended, and the target has not shown yet that nothing is left. */
  unproven: number;
}

export type End = 'open' | 'extended' | 'proven' | 'unproven';

/** How an access ended. What was extended has no proof of its own: it goes on as another access, which has. */
export function end({ ended_at, extended_by, proven_gone_at }: Access): End {
  if (!ended_at) return 'open';
  if (extended_by) return 'extended';
  return proven_gone_at ? 'proven' : 'unproven';
}

export function summary(items: Access[]): Summary {
  const ends = items.map(end);
  return {
    accesses: items.length,
    people: new Set(items.map(({ person }) => person)).size,
    emergencies: items.filter(({ emergency }) => emergency).length,
    open: ends.filter((one) => one === 'open').length,
    unproven: ends.filter((one) => one === 'unproven').length,
  };
}

/** `1 person`, `3 people`. */
export function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
