// Files that the server, or this page, hands out.
import { base } from './api';

/** A link to a route of the API, for downloads: the browser's cookie goes along. */
export function apiHref(path: string, query: Record<string, string | number | undefined | null> = {}): string {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString();
  return `${base}api/v1/${path}${text ? `?${text}` : ''}`;
}

/** Saves a text as a file, byte by byte as it is. */
export function saveText(name: string, text: string, type = 'text/plain'): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser takes its time to begin.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
