// Every page, by its path. Each is fetched when somebody goes there.
import type { Component } from 'svelte';
import type { Params } from '../lib/router.svelte';

// eslint-disable-next-line -- each page says by itself which of its parameters it takes
type Page = Component<any>;

export const routes: [string, () => Promise<{ default: Page }>][] = [
  ['', () => import('./Home.svelte')],
  ['new', () => import('./NewRequest.svelte')],
  ['inbox', () => import('./Inbox.svelte')],
  ['requests', () => import('./Requests.svelte')],
  ['requests/:id', () => import('./Request.svelte')],
  ['sessions', () => import('./Sessions.svelte')],
  ['sessions/:id', () => import('./Recording.svelte')],
  ['search', () => import('./Search.svelte')],
  ['accesses', () => import('./Accesses.svelte')],
  ['resources', () => import('./Resources.svelte')],
  ['resources/:name', () => import('./Resource.svelte')],
  ['rules', () => import('./Rules.svelte')],
  ['ledger', () => import('./Ledger.svelte')],
  ['ledger/:seq', () => import('./LedgerEvent.svelte')],
  ['insight', () => import('./Insight.svelte')],
  ['people', () => import('./People.svelte')],
  ['settings', () => import('./Settings.svelte')],
  ['cli/:code', () => import('./CliLogin.svelte')],
  ['enter', () => import('./Enter.svelte')],
];

export type { Page, Params };
