import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome'];

/** Where a Chromium lies on this machine, or undefined. */
export const chromiumPath = PLACES.find((place) => place !== undefined && existsSync(place));

export const NO_CHROMIUM =
  'no Chromium was found: install one or set CHROMIUM_PATH to check the page in a browser';

export function launch(executablePath: string): Promise<Browser> {
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', ...quiet];
  return chromium.launch({ executablePath, headless: true, args });
}
