// Things of the API as tests need them: whole, and ordinary but for what a test says.
import type { Grant, Request } from '../src/lib/api';

export const orders = { resource: 'orders-db', role: 'write' };

export function request(more: Partial<Request> = {}): Request {
  return {
    id: 'req_1', state: 'pending', requester: 'dev', beneficiary: 'dev', ...orders, for: '30m', reason: 'INC-7', emergency: false, single_use: false,
    low_risk: false, filed_at: '2026-11-26T10:00:00.000Z', expires_at: '2026-11-27T10:00:00.000Z', rules: ['write'], stages: [], asked: ['peer', 'owner'],
    yours_to_decide: true, asks: [orders], reviews: [], seen: [], comments: [], grants: [], link: '', ...more,
  };
}

export function grant(more: Partial<Grant> = {}): Grant {
  return { id: 'grant_1', state: 'open', request: 'req_1', principal: 'dev', ...orders, single_use: false, may: [], ends_at: '2026-11-26T10:30:00.000Z', ...more };
}
