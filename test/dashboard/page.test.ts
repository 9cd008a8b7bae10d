import type { Browser, Page } from 'playwright-core';
import { ReplaySubject } from 'rxjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventSchema, type GuardEvent, type TickEvent } from '../../src/guard/events.js';
import { type Server, startServer } from '../../src/server/index.js';
import { chromiumPath, launch, NO_CHROMIUM } from './browser.js';
import { METHODS, REFERENCES, sampleEvents } from './sample-events.js';

const HOSTILE = '<img src=x onerror="window.pwned=1">';

let browser: Browser | undefined;
let page: Page;
let server: Server;
let problems: string[];

beforeAll(async () => {
  if (chromiumPath !== undefined) {
    browser = await launch(chromiumPath);
  }
}, 30_000);

afterAll(async () => {
  await browser?.close();
});

beforeEach(async (context) => {
  if (browser === undefined) {
    return context.skip(NO_CHROMIUM);
  }
  server = await startServer({ port: 0 });
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(20_000);
  problems = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
});

afterEach(async () => {
  await page?.close();
  await server?.close();
});

/** Attaches a run that has said these events, and will say what is put into the subject. */
function attach(events: readonly GuardEvent[], to = server): ReplaySubject<GuardEvent> {
  const subject = new ReplaySubject<GuardEvent>();
  for (const event of events) {
    subject.next(eventSchema.parse(event));
  }
  to.attach(events[0]!.run, subject);
  return subject;
}

/** Waits until the element's text holds `text`. */
async function shows(selector: string, text: string): Promise<void> {
  await page.locator(selector, { hasText: text }).first().waitFor();
}

function textOf(selector: string): Promise<string | null> {
  return page.locator(selector).textContent();
}

describe('the page', { timeout: 30_000 }, () => {
  it('waits for a run, shows it live, then its end', async () => {
    await page.goto(server.url);
    await shows('#state', 'waiting for a run');
    const subject = attach(sampleEvents({ end: false }));
    await shows('#state', 'live');
    await shows('#run-name', 'kannada-7');
    expect(await textOf('#phase')).toBe('train');
    subject.next(sampleEvents().at(-1)!);
    await shows('#state', 'ended');
    await shows('#detail', 'done');
    expect(problems).toEqual([]);
  });

  it('shows scores with interval, domain and grounds, charts, metrics, alerts and steering', async () => {
    const events = sampleEvents({ end: false });
    const tick = events.filter((event) => event.event === 'tick').at(-1) as TickEvent;
    attach(events);
    await page.goto(server.url);
    await shows('#metrics-note', 'Step 396.');

    const rows = await page.locator('#scores tbody tr').allInnerTexts();
    expect(rows).toHaveLength(REFERENCES.length);
    for (const [r, pair] of tick.pairs.entries()) {
      expect(rows[r]).toContain(pair.reference);
      for (const { value, high } of pair.scores) {
        expect(rows[r]).toContain(`${(100 * value!).toFixed(1)} %`);
        expect(rows[r]).toContain(`± ${(100 * (high! - value!)).toFixed(1)}`);
      }
    }
    expect(rows[0]).toContain('✓ in domain');
    expect(rows[3]).toContain('⚠ outside domain');

    await page.locator('#scores tbody tr').nth(3).locator('button').nth(2).click();
    const why = await textOf('#why');
    expect(why).toContain('ties with omniglot-greek');
    expect(why).toContain('metrics, effect, self-probe');
    expect(why).toContain('task_vector_l2_distance is 5.5, fitted on 0.4 to 4.1');
    expect(why).toContain('−6.2');
    await page.locator('#scores tbody tr').nth(0).locator('button').nth(2).click();
    const probed = await textOf('#why');
    expect(probed).toContain(
      'Merge probe at step 300: 86.1 % ± 3.1 (standard error), 90.2 % ± 1.4 normalised',
    );
    expect(probed).toContain('Best with its task vector times 0.8: 88.2 % ± 2.8, loss 0.45.');
    expect(probed).toContain('live task: 84.4 % of 64 samples, its own model 96.9 %; loss 0.61 against 0.11');
    expect(probed).toContain('mnist: 87.8 % of 64 samples, its own model 95.3 %');

    expect(await page.locator('#charts figure canvas').count()).toBe(METHODS.length);
    expect(await page.locator('#charts h3').allInnerTexts()).toEqual(
      METHODS.map((name) => `${name} step 396`),
    );

    const dash = page.locator('#metrics td', { hasText: '–' }).first();
    expect(await dash.getAttribute('title')).toBe('no calibration batch for the live task');
    expect(await textOf('#metrics')).toContain('task_vector_cosine_similarity');
    const old = page.locator('#metrics td.old').first();
    expect(await old.innerText()).toMatch(/^0\.9\d+ \(−12\)$/);
    expect(await old.getAttribute('title')).toBe('measured 12 steps ago');

    const alerts = await page.locator('#alerts li').allInnerTexts();
    expect(alerts.map((text) => text.split(' ')[1])).toEqual(['error', 'warning', 'cleared', 'info']);
    expect(alerts[1]).toContain('task_arithmetic with omniglot-greek is predicted at 71.3 % raw accuracy');
    expect(await textOf('#alerts-note')).toContain('2 open');
    expect(await page.locator('#steering li').count()).toBe(2);
    expect(await textOf('#steering')).toContain('scale_jitter × 1');
    expect(await textOf('#facts')).toContain('88.0 %');
    expect(problems).toEqual([]);
  });

  it('says at which step each reference was compared where they take turns', async () => {
    const events = sampleEvents({ ticks: 3, end: false }).map((event) =>
      event.event === 'tick'
        ? {
            ...event,
            pairs: event.pairs.map((pair, r) =>
              r === 0 ? pair : { ...pair, measuredAt: r === 1 ? 4 : null },
            ),
          }
        : event,
    );
    attach(events);
    await page.goto(server.url);
    await shows('#metrics', 'last compared at step');
    const row = page.locator('#metrics tr', { hasText: 'last compared at step' }).locator('td');
    expect((await row.allTextContents()).slice(0, 3)).toEqual(['8', '4', '–']);
    expect(await page.locator('#metrics tr', { hasText: 'stable_rank' }).locator('td').count()).toBe(
      await row.count(),
    );
    expect(problems).toEqual([]);
  });

  it('changes between normalised and raw accuracy', async () => {
    const events = sampleEvents({ ticks: 20, end: false });
    const tick = events.filter((event) => event.event === 'tick').at(-1) as TickEvent;
    attach(events);
    await page.goto(server.url);
    await shows('#metrics-note', 'Step 76.');
    await page.getByLabel('raw').check();
    await shows('#scores', `${(100 * tick.pairs[0]!.scores[0]!.raw!).toFixed(1)} %`);
    expect(await textOf('#charts-note')).toContain('Raw accuracy');
  });

  it('says why when accuracy can not be predicted', async () => {
    attach(
      sampleEvents({ ticks: 1, end: false }).map((event) =>
        event.event === 'hello' ? { ...event, fingerprint: null } : event,
      ),
    );
    await page.goto(server.url);
    await shows('#notices', 'no fingerprint');
    const button = page.locator('#scores button').first();
    expect(await button.textContent()).toContain('–');
    expect(await button.getAttribute('title')).toBe('the live model is still the base: tau is zero');
  });

  it('shows hostile names and messages as text', async () => {
    const [hello, , ...rest] = sampleEvents({ run: HOSTILE, ticks: 90, end: false });
    const text = JSON.stringify([hello, ...rest])
      .replaceAll('"mnist"', JSON.stringify(HOSTILE))
      .replaceAll('"ties"', JSON.stringify(`${HOSTILE}ties`))
      .replaceAll('"subspace_overlap"', JSON.stringify(`${HOSTILE}overlap`))
      .replaceAll('NaN in the gradients', JSON.stringify(HOSTILE).slice(1, -1))
      .replaceAll('fixed strength', JSON.stringify(HOSTILE).slice(1, -1))
      .replaceAll('"train"', JSON.stringify(HOSTILE));
    attach(JSON.parse(text));
    await page.goto(server.url);
    await shows('#alerts', HOSTILE);
    for (const selector of ['#run-name', '#phase', '#scores', '#charts', '#metrics', '#steering']) {
      expect(await page.locator(selector).textContent()).toContain(HOSTILE);
    }
    expect(await page.evaluate('[document.images.length, String(window.pwned)]')).toEqual([0, 'undefined']);
    expect(problems).toEqual([]);
  });

  it('says when the connection is lost, comes back by itself and keeps what it had', async () => {
    const events = sampleEvents({ end: false });
    const half = events.findIndex((event) => event.step > 200);
    attach(events.slice(0, half));
    await page.goto(server.url);
    await shows('#metrics-note', 'Step 200.');
    const { port } = server;
    // the server ends no run of its own process, so the page sees no end event but a lost connection
    await server.close();
    await shows('#state', 'disconnected');
    await shows('#detail', 'next try in');
    server = await startServer({ port });
    attach([events[0]!, ...events.slice(half)]);
    await shows('#metrics-note', 'Step 396.');
    await shows('#state', 'live');
    expect(await page.locator('#alerts li').count()).toBe(4);
  });

  it('offers the choice when there is more than one run', async () => {
    attach(sampleEvents({ run: 'first', ticks: 3, end: false }));
    attach(sampleEvents({ run: 'second', ticks: 6, end: false }));
    await page.goto(server.url);
    await page.locator('#runs').selectOption('second');
    await shows('#metrics-note', 'Step 20.');
    expect(await page.title()).toContain('second');
  });

  it('fits a narrow window', async () => {
    await page.setViewportSize({ width: 400, height: 800 });
    attach(sampleEvents({ ticks: 40, end: false }));
    await page.goto(server.url);
    await shows('#alerts', 'gradient conflict with notmnist');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(400);
  });
});
