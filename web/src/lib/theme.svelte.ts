// Light, dark, or as the system says. Remembered in this browser.
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'ajar-theme';

class Theming {
  theme: Theme = $state('system');

  begin(): void {
    const kept = localStorage.getItem(KEY);
    this.set(kept === 'light' || kept === 'dark' ? kept : 'system');
  }

  set(theme: Theme): void {
    this.theme = theme;
    if (theme === 'system') {
      localStorage.removeItem(KEY);
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem(KEY, theme);
      document.documentElement.dataset.theme = theme;
    }
  }
}

export const theming = new Theming();
