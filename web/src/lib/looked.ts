// Whether somebody has really looked at something: it was in view, on a page in front, for a while.

/** How long it must be in view. */
export const LOOKED_MS = 1_500;
/** How much of it, or of the window where it is higher than that. */
const MUCH = 0.6;

/** Whether so much is in view that it can be read: of the thing itself, or of the window that it fills. */
export function inView(visible: number, height: number, window: number): boolean {
  return height > 0 && visible >= MUCH * Math.min(height, window);
}

/** An attachment: calls `then` once, when its element has been looked at. */
export function looked(then: () => void, ms: number = LOOKED_MS): (element: Element) => () => void {
  return (element) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let there = false;
    const weigh = () => {
      if (!there || document.visibilityState !== 'visible') {
        clearTimeout(timer);
        timer = undefined;
      } else {
        timer ??= setTimeout(() => {
          end();
          then();
        }, ms);
      }
    };
    const observer = new IntersectionObserver(
      (entries) => {
        const last = entries.at(-1);
        if (!last) return;
        there = inView(last.intersectionRect.height, last.boundingClientRect.height, last.rootBounds?.height ?? innerHeight);
        weigh();
      },
      { threshold: [0, 0.2, 0.4, MUCH, 0.8, 1] },
    );
    const end = () => {
      clearTimeout(timer);
      observer.disconnect();
      document.removeEventListener('visibilitychange', weigh);
    };
    observer.observe(element);
    document.addEventListener('visibilitychange', weigh);
    return end;
  };
}
