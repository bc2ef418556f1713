import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** A real browser, Debian's Chromium, with pages that nothing may leave. */

const LAUNCH_MS = 60_000;
const FOLDERS = (process.env.PATH ?? '').split(':');

/** Why there is no browser here; undefined where there is one. */
export function whyNoBrowser(): string | undefined {
  return programOf() === undefined ? "chromium (Debian's chromium) is not here" : undefined;
}

function programOf(): string | undefined {
  return FOLDERS.map((folder) => join(folder, 'chromium')).find((path) => existsSync(path));
}

/** To be closed by whoever opened it. */
export function openBrowser(): Promise<Browser> {
  // Chromium's own sandbox cannot be had as root, and the pages are ours.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: programOf(), args, timeout: LAUNCH_MS });
}
