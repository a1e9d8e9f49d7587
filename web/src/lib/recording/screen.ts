// The terminal on the page: asciinema's virtual terminal and its drawing, without its controls. Fetched when there is a terminal to be shown.
// INVARIANT W2: only characters and colours come out of it; titles, clipboards and links go in, and nothing comes of them.
import { create, type Source } from 'asciinema-player';
import 'asciinema-player/dist/bundle/asciinema-player.css';
import type { Screen } from './playback';

type Dispatch = (event: string, data?: unknown) => void;

/** A screen in `place`, once it is there to be drawn on; and how it is taken away. */
export function screenIn(place: HTMLElement, cols: number, rows: number): Promise<{ screen: Screen; dispose: () => void }> {
  return new Promise((resolve) => {
    const ready = (dispatch: Dispatch) => {
      const screen: Screen = {
        reset: (cols, rows) => dispatch('reset', { size: { cols, rows }, theme: undefined }),
        resize: (cols, rows) => dispatch('resize', { cols, rows }),
        output: (text) => dispatch('output', text),
      };
      resolve({ screen, dispose: () => player.dispose() });
    };
    // A driver of our own: the player only shows. Its types don't know that a source may be a function.
    const driver = ({ dispatch }: { dispatch: Dispatch }) => ({
      init: () => dispatch('play'),
      play: () => ready(dispatch),
      getTiming: () => ({ time: 0, rate: 0 }),
    });
    const player = create(driver as unknown as Source, place, {
      cols,
      rows,
      autoPlay: true,
      controls: false,
      fit: 'width',
      cursorMode: 'steady',
      keystrokeOverlay: false,
      terminalFontFamily: "ui-monospace, SFMono-Regular, 'JetBrains Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
    });
    // Keys are the page's.
    place.addEventListener('keydown', (event) => event.stopPropagation());
  });
}
