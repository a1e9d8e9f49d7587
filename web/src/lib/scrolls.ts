// Things wider than their place scroll by themselves; keys must reach them then, even if nothing in them takes the focus.

/** An attachment: its element takes the focus while it is wider than its place. */
export function scrolls(element: HTMLElement): () => void {
  const weigh = () => {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
    else element.removeAttribute('tabindex');
  };
  const sizes = new ResizeObserver(weigh);
  const children = new MutationObserver(() => {
    for (const child of element.children) sizes.observe(child);
    weigh();
  });
  sizes.observe(element);
  for (const child of element.children) sizes.observe(child);
  children.observe(element, { childList: true });
  return () => {
    sizes.disconnect();
    children.disconnect();
  };
}
