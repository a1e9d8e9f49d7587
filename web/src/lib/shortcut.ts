// Whether a key belongs to the page, or to what it was pressed in.

type Pressed = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'defaultPrevented' | 'isComposing' | 'repeat'>;

const TYPING = 'input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable=true]';
/** What Enter belongs to already. */
const PRESSED = 'a, button, summary, input, select, textarea';

/** Whether a key pressed there is for a shortcut. */
export function forShortcut(event: Pressed, target: Pick<Element, 'closest'> | null, dialog: boolean): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing || event.repeat || dialog) return false;
  if (target?.closest(TYPING)) return false;
  return event.key !== 'Enter' || !target?.closest(PRESSED);
}
