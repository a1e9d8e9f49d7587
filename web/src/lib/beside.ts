// Reading what the server tells beside a request.
import { call } from './api';
import type { Background, Timeline } from './background';

export function background(id: string): Promise<Background> {
  return call('GET', `requests/${encodeURIComponent(id)}/context`);
}

export function timeline(id: string): Promise<Timeline> {
  return call('GET', `requests/${encodeURIComponent(id)}/timeline`);
}
