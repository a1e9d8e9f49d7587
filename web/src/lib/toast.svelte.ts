// What was just done, or could not be, for a moment; read out by screen readers.
import { asRefused } from './api';
import { hintHere } from './refusal';

export interface Toast {
  id: number;
  kind: 'good' | 'bad';
  text: string;
  more?: string | undefined;
}

class Toasts {
  list: Toast[] = $state([]);
  #next = 0;

  #add(toast: Omit<Toast, 'id'>, ms: number): void {
    const id = ++this.#next;
    this.list = [...this.list.slice(-3), { id, ...toast }];
    setTimeout(() => this.drop(id), ms);
  }

  good(text: string): void {
    this.#add({ kind: 'good', text }, 5_000);
  }

  bad(error: unknown): void {
    const refused = asRefused(error);
    this.#add({ kind: 'bad', text: refused.message, more: [refused.detail, hintHere(refused)].filter(Boolean).join(' ') || undefined }, 12_000);
  }

  drop(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
