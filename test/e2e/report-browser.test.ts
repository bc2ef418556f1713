import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { renderReport } from '../../provider/report/formats.ts';
import type { Report } from '../../provider/report/schema.ts';
import { openBrowser, whyNoBrowser } from '../support/browser.ts';
import { held, manifestOf, marked, paused, shop, smeared } from '../support/manifest.ts';
import { drifted, quickShop, reportOf } from '../support/report.ts';
import { describeUnless } from '../support/skipped.ts';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const EVIL = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';

const PAPER = 'getComputedStyle(document.documentElement).backgroundColor';

const PAGES: Readonly<Record<string, Report>> = {
  sharp: reportOf(quickShop, {
    outcome: { ...drifted, verdict: 'equivalent', differences: [], members: [] },
  }),
  drifted: reportOf(quickShop, { outcome: drifted }),
  blurred: reportOf(
    shop(
      { orders: [marked(2, 2.3)], sessions: [held('locked', 0.5, 5.4)], receipts: [smeared(10, 6200)] },
      [paused('sessions', 0.4, 5.5)],
      { sharp: true, blurMs: 0 },
    ),
  ),
  untied: reportOf(shop({ orders: [], sessions: [held('drained', 1, 5)], receipts: [held('frozen', 1, 6)] })),
  hostile: reportOf(
    manifestOf({
      [EVIL]: {
        driver: EVIL,
        sizeBytes: 5e9,
        summary: EVIL,
        ties: [held('still', 1, 3, EVIL), marked(1.5, 2, EVIL)],
        outside: [{ code: EVIL, message: EVIL }],
      },
      [`a-name-without-any-place-to-break-${'x'.repeat(120)}`]: {
        driver: 'files',
        sizeBytes: 1,
        summary: 'y'.repeat(200),
        ties: [held('still', 0.4, 3)],
      },
    }),
    {
      outcome: {
        ...drifted,
        differences: [
          {
            ...{ member: EVIL, object: `${EVIL}/${'z'.repeat(200)}`, kind: 'changed', message: EVIL },
            within: [{ name: `${EVIL}${'k'.repeat(200)}`, kind: 'extra' }],
          },
        ],
      },
    },
  ),
};

describeUnless(whyNoBrowser())('the page of a report in Chromium', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-report-'));
    for (const [name, report] of Object.entries(PAGES))
      await writeFile(join(folder, `${name}.html`), renderReport(report, 'html'));
    browser = await openBrowser();
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens a page, and hands over what it asked for besides itself and what it complained of. */
  async function visit(
    name: string,
    options: BrowserContextOptions,
    look: (page: Page, troubles: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const context = await browser.newContext(options);
    try {
      const troubles: string[] = [];
      const url = pathToFileURL(join(folder, `${name}.html`)).href;
      const page = await context.newPage();
      await page.route('**/*', async (route) => {
        if (route.request().url() === url) return route.continue();
        troubles.push(`asked for ${route.request().url()}`);
        return route.abort();
      });
      page.on('console', (message) => troubles.push(`said ${message.text()}`));
      page.on('pageerror', (error) => troubles.push(`threw ${error.message}`));
      await page.goto(url, { timeout: 30_000 });
      await look(page, troubles);
    } finally {
      await context.close();
    }
  }

  for (const name of Object.keys(PAGES))
    for (const colorScheme of ['light', 'dark'] as const)
      test(`${name}, ${colorScheme}: asks for nothing, and axe finds nothing serious`, async () => {
        const viewport = { width: colorScheme === 'dark' ? 320 : 1440, height: 900 };
        await visit(name, { colorScheme, viewport, bypassCSP: true }, async (page, troubles) => {
          for (const one of await page.locator('details').all())
            await one.evaluate((it) => it.setAttribute('open', ''));
          await page.addScriptTag({ path: AXE });
          const results = (await page.evaluate('axe.run()')) as AxeResults;
          expect(results.passes.length).toBeGreaterThan(10);
          const faults = results.violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`));
          expect(faults).toEqual([]);
          expect(troubles).toEqual([]);
        });
      });

  for (const name of Object.keys(PAGES))
    for (const width of [320, 768, 1440])
      test(`${name}: nothing has to be scrolled sideways at ${width} pixels`, async () => {
        await visit(name, { viewport: { width, height: 900 } }, async (page) => {
          for (const one of await page.locator('details').all())
            await one.evaluate((it) => it.setAttribute('open', ''));
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
        });
      });

  test('the policy lets nothing run or load but what is in the page', async () => {
    await visit('sharp', {}, async (page, troubles) => {
      await page.evaluate(`
        const image = document.createElement('img');
        image.src = 'https://example.invalid/x.png';
        const script = document.createElement('script');
        script.textContent = 'document.title = "owned"';
        document.body.append(image, script);`);
      await page.waitForTimeout(200);
      expect(await page.title()).not.toBe('owned');
      expect(troubles.filter((trouble) => trouble.startsWith('asked'))).toEqual([]);
      expect(
        troubles.filter((trouble) => trouble.includes('Content Security Policy')).length,
      ).toBeGreaterThan(0);
    });
  });

  test('names with markup in them stay text', async () => {
    await visit('hostile', {}, async (page, troubles) => {
      expect(await page.title()).not.toContain('owned');
      expect(await page.locator('img, [onerror]').count()).toBe(0);
      expect(await page.locator('script').count()).toBe(1);
      expect(await page.locator('h3', { hasText: EVIL }).count()).toBeGreaterThan(0);
      expect(troubles).toEqual([]);
    });
  });

  test('without scripts shows everything', async () => {
    await visit('drifted', { javaScriptEnabled: false }, async (page) => {
      for (const text of ['One instant fits all three members', 'public.lines', 'planner statistics', 'fork'])
        expect(await page.locator('main').textContent()).toContain(text);
      expect(await page.locator('.level.last .tie').count()).toBe(5);
      expect(await page.locator('#theme').isVisible()).toBe(false);
      const summary = page.locator('#evidence-0 summary');
      await summary.click();
      expect(await page.locator('#tie-0-0').isVisible()).toBe(true);
    });
  });

  test('can be walked through by keyboard: from the picture to the evidence', async () => {
    await visit('sharp', {}, async (page) => {
      const focused = (): Promise<string> =>
        page.evaluate("document.activeElement?.getAttribute('href') ?? document.activeElement?.id ?? ''");
      await page.keyboard.press('Tab');
      expect(await focused()).toBe('#picture');
      const seen: string[] = [];
      for (let step = 0; step < 30 && !(await focused()).startsWith('#tie-'); step += 1) {
        await page.keyboard.press('Tab');
        seen.push(await focused());
      }
      expect(seen).toContain('theme');
      expect(seen).toContain('#member-0');
      const first = await focused();
      await page.keyboard.press('ArrowDown');
      const below = await focused();
      expect(below).toMatch(/^#tie-1-/);
      await page.keyboard.press('ArrowRight');
      expect(await focused()).not.toBe(below);
      await page.keyboard.press('ArrowUp');
      expect(await focused()).toMatch(/^#tie-0-/);
      expect(await page.locator('#readout').textContent()).toMatch(/^carts, /);
      await page.keyboard.press('ArrowLeft');
      expect(await focused()).toBe(first);
      await page.keyboard.press('Enter');
      await page.waitForFunction("document.activeElement?.id.startsWith('tie-')", undefined, {
        timeout: 10_000,
      });
      expect(await page.locator(first).isVisible()).toBe(true);
    });
  });

  test('the button changes between light and dark', async () => {
    await visit('sharp', { colorScheme: 'light' }, async (page) => {
      const paper = (): Promise<string> => page.evaluate(PAPER);
      const light = await paper();
      await page.locator('#theme').click();
      const dark = await paper();
      expect(dark).not.toBe(light);
      await page.locator('#theme').click();
      expect(await paper()).toBe(light);
    });
  });

  test('in print is light, opened, and without what only a screen can do', async () => {
    await visit('drifted', { colorScheme: 'dark' }, async (page) => {
      await page.emulateMedia({ media: 'print' });
      expect(await page.evaluate(PAPER)).toBe('rgb(255, 255, 255)');
      expect(await page.locator('#theme').isVisible()).toBe(false);
      expect(await page.locator('#readout').isVisible()).toBe(false);
      expect(await page.locator('#tie-0-0').isVisible()).toBe(true);
      expect((await page.pdf({ format: 'A4' })).byteLength).toBeGreaterThan(10_000);
    });
  });

  test('the one line of the cut goes straight through all levels, and bars lie where the certificate says', async () => {
    await visit('sharp', { viewport: { width: 1440, height: 900 } }, async (page) => {
      const lines = await page
        .locator('line.cut')
        .evaluateAll((all) => all.map((line) => line.getBoundingClientRect().x));
      expect(lines.length).toBeGreaterThan(4);
      for (const x of lines) expect(Math.abs(x - lines[0]!)).toBeLessThan(1);
      const level = page.locator('.level').first();
      const numbers = ['data-from', 'data-to', 'data-cut'].map(async (name) =>
        Number(await level.getAttribute(name)),
      );
      const [from, to, cut] = await Promise.all(numbers);
      const plot = (await level.locator('.through').boundingBox())!;
      const bar = (await level.locator('.hold.locked').boundingBox())!;
      const at = (ns: number): number => plot.x + ((ns - from!) / (to! - from!)) * plot.width;
      expect(Math.abs(bar.x - at(12.1e6))).toBeLessThan(1.5);
      expect(Math.abs(bar.x + bar.width - at(41.1e6))).toBeLessThan(1.5);
      expect(Math.abs(lines[0]! - at(cut!))).toBeLessThan(1.5);
    });
  });
});
