// Single-character shortcuts of a page. They can be switched off (WCAG 2.1.4) and never fire while somebody types or a dialog is open.
import { forShortcut } from './shortcut';

const KEPT = 'ajar.keys';

class Keys {
  on: boolean = $state(localStorage.getItem(KEPT) !== 'off');

  set(on: boolean): void {
    this.on = on;
    if (on) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, 'off');
  }
}

export const keys = new Keys();

/** Listens for shortcuts on the whole page: `shortcuts({ j: next })`. Returns what ends that. */
export function shortcuts(does: Record<string, () => void>): () => void {
  const press = (event: KeyboardEvent) => {
    if (!keys.on) return;
    const act = Object.hasOwn(does, event.key) ? does[event.key] : undefined;
    const dialog = document.querySelector('[role=dialog], [role=alertdialog]') !== null;
    if (!act || !forShortcut(event, event.target as Element | null, dialog)) return;
    event.preventDefault();
    act();
  };
  addEventListener('keydown', press);
  return () => removeEventListener('keydown', press);
}
