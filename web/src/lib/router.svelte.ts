// Which page is shown: the path below where the pages lie, and the query. Nothing else remembers where somebody is, so every view has a link.
import { base } from './api';

export type Params = Record<string, string>;

class Router {
  #href = $state(location.href);
  readonly url = $derived(new URL(this.#href));
  /** The path below the base, without a slash at the begin: `requests/req_…`. */
  readonly path = $derived(this.url.pathname.startsWith(base) ? this.url.pathname.slice(base.length).replace(/\/$/, '') : '');
  readonly query = $derived(this.url.searchParams);

  constructor() {
    addEventListener('popstate', () => (this.#href = location.href));
  }

  /** Goes to a path below the base, such as `requests/req_…?tab=x`. */
  go(to: string, options: { replace?: boolean } = {}): void {
    const href = base + to;
    if (options.replace) history.replaceState(null, '', href);
    else history.pushState(null, '', href);
    this.#href = location.href;
    if (!options.replace) scrollTo(0, 0);
  }

  /** The same page with other values in the query; `null` and '' take one out. */
  set(values: Record<string, string | null | undefined>, options: { push?: boolean } = {}): void {
    const query = new URLSearchParams(this.query);
    for (const [key, value] of Object.entries(values)) {
      if (value === null || value === undefined || value === '') query.delete(key);
      else query.set(key, value);
    }
    const text = query.toString();
    this.go(this.path + (text ? `?${text}` : ''), { replace: !options.push });
  }
}

export const router = new Router();

/** A link's `href` for a path below the base. */
export function to(path: string): string {
  return base + path;
}

/** Links within the pages don't load them anew. To be put on the whole document once. */
export function followLinks(): () => void {
  const click = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(base) || link.pathname.slice(base.length).startsWith('api/')) return;
    event.preventDefault();
    if (link.hash && link.pathname === location.pathname) return;
    router.go(link.pathname.slice(base.length) + link.search);
  };
  document.addEventListener('click', click);
  return () => document.removeEventListener('click', click);
}

/** Whether `path` is as `pattern` (`requests/:id`), and with which values. */
export function match(pattern: string, path: string): Params | null {
  const [wanted, found] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== found.length) return null;
  const params: Params = {};
  for (const [at, part] of wanted.entries()) {
    const value = found[at] ?? '';
    if (part.startsWith(':')) {
      try {
        params[part.slice(1)] = decodeURIComponent(value);
      } catch {
        return null;
      }
    } else if (part !== value) return null;
  }
  return params;
}
