// Long lists: only what is near what is seen is in the document, and all of it can be got to, by whatever means.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, somebody, test } from './demo';
import { fill } from './many';

const COUNT = 320;

/** Scrolls through it all from the top: which rows came by, by their places, and how many were in the document at once at the most. */
function through(page: Page, row: string, place: string): Promise<{ places: number[]; most: number; blank: number }> {
  return page.evaluate(
    async ([row, place]) => {
      const [places, found] = [new Set<number>(), { most: 0, blank: 0 }];
      scrollTo(0, 0);
      for (;;) {
        await new Promise((then) => requestAnimationFrame(() => setTimeout(then)));
        const rows = [...document.querySelectorAll(row!)];
        found.most = Math.max(found.most, rows.length);
        for (const one of rows) places.add(Number(one.getAttribute(place!)));
        // What is seen of the list is rows from its one edge to its other.
        const list = document.querySelector('main table, main ul[style], main ol[style]')!.getBoundingClientRect();
        for (let y = Math.max(60, list.top + 60); y < Math.min(innerHeight, list.bottom) - 10; y += 40) {
          if (!document.elementFromPoint(list.left + 40, y)?.closest(row!)) found.blank++;
        }
        if (scrollY + innerHeight >= document.documentElement.scrollHeight - 1) break;
        scrollBy(0, innerHeight * 0.8);
      }
      return { places: [...places].sort((a, b) => a - b), ...found };
    },
    [row, place],
  );
}

/** Scrolls up from the end: by how much what is seen moved more or less than it was scrolled, in pixels, at the most. */
function jumps(page: Page, row: string): Promise<number> {
  return page.evaluate(async (row) => {
    const frame = () => new Promise((then) => requestAnimationFrame(() => setTimeout(then)));
    let most = 0;
    scrollTo(0, document.documentElement.scrollHeight);
    for (let turn = 0; turn < 3; turn++) await frame();
    while (scrollY > 1_000) {
      const seen = [...document.querySelectorAll(row)].find((one) => one.getBoundingClientRect().top > 200)!;
      const before = seen.getBoundingClientRect().top;
      scrollBy(0, -400);
      for (let turn = 0; turn < 2; turn++) await frame();
      if (!seen.isConnected) return Infinity;
      most = Math.max(most, Math.abs(seen.getBoundingClientRect().top - before - 400));
    }
    return Math.round(most);
  }, row);
}

/** Nothing scrolls any more. */
async function still(page: Page): Promise<void> {
  const y = () => page.evaluate(() => new Promise<number>((then) => requestAnimationFrame(() => requestAnimationFrame(() => then(scrollY)))));
  await expect(async () => expect(await y()).toBe(await y())).toPass();
}

async function axe(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 160)}`);
}

const all = (first: number) => Array.from({ length: COUNT }, (_, n) => n + first);

test('of many requests those near what is seen are drawn, and each can be got to by scrolling and by keys', async ({ browser, own: demo }) => {
  test.setTimeout(150_000);
  await fill(demo, COUNT, 0);
  const { page, context } = await somebody(browser, demo, 'auditor', { path: 'requests', context: { viewport: { width: 1280, height: 800 } } });
  const older = page.getByRole('button', { name: 'Load older' });
  const rows = 'tbody:not([aria-hidden]) tr';
  for (const shown of ['150+', '250+', `${COUNT}`]) {
    // What was there stays where it is while older ones come in below it.
    await older.scrollIntoViewIfNeeded();
    const last = page.locator(`${rows} a`).last();
    await expect(last).toBeInViewport();
    const [href, before] = [await last.getAttribute('href'), await last.boundingBox()];
    await older.click();
    await expect(page.getByText(`${shown} requests`)).toBeAttached();
    const now = await page.locator(`${rows} a[href="${href}"]`).boundingBox();
    expect(Math.abs(now!.y - before!.y)).toBeLessThan(2);
  }
  await expect(older).toHaveCount(0);
  await expect(page.getByRole('table')).toHaveAttribute('aria-rowcount', `${COUNT + 1}`);

  const found = await through(page, rows, 'aria-rowindex');
  expect(found).toEqual({ places: all(2), most: expect.any(Number), blank: 0 });
  expect(found.most).toBeLessThanOrEqual(90);
  expect(await axe(page)).toEqual([]);

  // From row to row by Tab, further than what was drawn at first.
  await page.evaluate(() => scrollTo(0, 0));
  const place = () => page.evaluate(() => document.activeElement?.closest('tr')?.getAttribute('aria-rowindex'));
  await page.locator(`${rows} a`).first().focus();
  for (let at = 2; at < 102; at++) {
    expect(await place()).toBe(`${at}`);
    await page.keyboard.press('Tab');
  }
  // To the end and back, though the row that has the focus goes out of sight.
  await still(page);
  await page.keyboard.press('End');
  await expect(page.locator(`${rows}[aria-rowindex="${COUNT + 1}"]`)).toBeInViewport();
  await still(page);
  await page.keyboard.press('Home');
  await expect(page.locator(`${rows}[aria-rowindex="2"]`)).toBeInViewport();

  await still(page);
  await page.keyboard.press('End');
  await page.locator(`${rows} a`).last().click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText(/orders-db|sample-api/);
  await context.close();
});

test('the same on a phone, and in what a search has found', async ({ browser, own: demo }) => {
  test.setTimeout(150_000);
  await fill(demo, COUNT, 0);
  const view = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
  const { page, context } = await somebody(browser, demo, 'auditor', { path: 'requests', context: view });
  for (const shown of ['150+', '250+', `${COUNT}`]) {
    await page.getByRole('button', { name: 'Load older' }).tap();
    await expect(page.getByText(`${shown} requests`)).toBeAttached();
  }
  // Cards are as high as their text is long: those that come in above don't move what is read.
  expect(await jumps(page, 'main ul[style] > li')).toBeLessThanOrEqual(2);
  const cards = await through(page, 'main ul[style] > li', 'aria-posinset');
  expect(cards).toEqual({ places: all(1), most: expect.any(Number), blank: 0 });
  expect(cards.most).toBeLessThanOrEqual(90);
  expect(await axe(page)).toEqual([]);

  await page.goto(`${demo.url}/search?q=deployment`);
  const more = page.getByRole('button', { name: 'Show older' });
  for (let turn = 1; turn * 50 < COUNT; turn++) {
    await expect(page.getByRole('status').filter({ hasText: `${turn * 50} found` })).toBeAttached();
    await more.tap();
  }
  await expect(page.getByRole('status').filter({ hasText: `${COUNT} found` })).toBeAttached();
  expect(await jumps(page, 'main ol[style] > li')).toBeLessThanOrEqual(2);
  const finds = await through(page, 'main ol[style] > li', 'aria-posinset');
  expect(finds).toEqual({ places: all(1), most: expect.any(Number), blank: 0 });
  expect(finds.most).toBeLessThanOrEqual(90);
  await context.close();
});
