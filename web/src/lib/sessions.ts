// What sessions' states and ends are called.
import type { Session } from './api';
import { roughly } from './time';

const ENDS: Record<string, string> = {
  client_left: 'The client left',
  target_left: 'The target closed it',
  cut: 'Cut: its grant ended',
  killed: 'Ended',
  refused: 'Not let in: its request was refused, withdrawn or expired',
  failed_to_open: 'The target could not be opened',
  violation: 'Cut: the client broke the protocol',
  recording_failed: 'Cut: it could not be recorded any more',
  server_stopped: 'The server stopped',
};

/** Why a session ended; empty while it goes on. */
export function ending(session: Session): string {
  const because = session.ended_because;
  if (!because) return '';
  return ENDS[because] ?? because.replaceAll('_', ' ');
}

/** What its entries are called. */
export function things(protocol: string, n = 2): string {
  const [one, many] = protocol === 'postgres' ? ['statement', 'statements'] : protocol === 'http' ? ['request', 'requests'] : ['event', 'events'];
  return n === 1 ? one : many;
}

/** How much was recorded of a session, once that is known. By SSH it is lines of the recording: each piece of output is one. */
export function recorded({ entries, protocol }: Session): string | null {
  if (typeof entries !== 'number') return null;
  const what = protocol === 'ssh' ? (entries === 1 ? 'line' : 'lines') : things(protocol, entries);
  return `${entries.toLocaleString('en')} ${what}`;
}

/** How long a session took, or has taken by now, for reading. */
export function lasted(session: Session, now: number): string {
  const seconds = lasting(session, now);
  return seconds < 1 ? 'under 1 s' : roughly(seconds);
}

/** Seconds that it took, or has taken by now. */
export function lasting(session: Session, now: number): number {
  const end = session.ended_at ? Date.parse(session.ended_at) : now;
  return (end - Date.parse(session.live_at ?? session.arrived_at)) / 1_000;
}
