import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { DemoReporter } from '../../src/cli/demo-reporter.js';
import type { AlertEvent, ProgressEvent } from '../../src/guard/index.js';

/** A terminal, or a pipe, that keeps what was written to it. */
function makeOutput(columns: number | null) {
  const stream = new PassThrough();
  const isTTY = columns !== null;
  // what cli-progress asks a terminal for
  return Object.assign(stream, isTTY ? { isTTY, columns, rows: 24, cursorTo: () => true } : {});
}

const text = (stream: PassThrough) => (stream.read() as Buffer | null)?.toString() ?? '';
const common = { run: 'r', time: '2026-01-02T03:04:05.000Z', step: 0 };

function progress(phase: string, done: number, total: number, loss: number | null = null): ProgressEvent {
  return { event: 'progress', ...common, phase, done, total, loss };
}

const alert: AlertEvent = {
  event: 'alert',
  ...common,
  rule: 'conflict',
  state: 'raised',
  level: 'warning',
  title: 'merging with mnist by weight_avg is predicted at 81.2 % raw (alert below 85 %)',
  text: 'Cosine of the live loss gradient with the gradient stored with the reference.',
  evidence: {},
};

const ESCAPE = '\u001b';
const PARTS = new RegExp(`${ESCAPE}\\[\\??\\d*[A-Za-z]|${ESCAPE}[78]|\\r|\\n|[^${ESCAPE}\\r\\n]+`, 'g');

/** The screen after what was written to a terminal: only what cli-progress writes is understood. */
function screen(written: string): string[] {
  const lines = [''];
  let column = 0;
  for (const [part] of written.matchAll(PARTS)) {
    const at = lines.length - 1;
    if (part === '\n') {
      lines.push('');
      column = 0;
    } else if (part === '\r' || part === '\u001b[1G') {
      column = 0;
    } else if (part === '\u001b[0K') {
      lines[at] = lines[at].slice(0, column);
    } else if (part === '\u001b[2K') {
      lines[at] = '';
    } else if (!part.startsWith('\u001b')) {
      lines[at] = lines[at].slice(0, column) + part + lines[at].slice(column + part.length);
      column += part.length;
    }
  }
  return lines.map((line) => line.trimEnd());
}

describe('DemoReporter', () => {
  it('keeps one bar in place, leaves finished phases as lines, and writes what alerts say above the bar', () => {
    const err = makeOutput(60);
    const reporter = new DemoReporter(false, makeOutput(null), err);
    let written = '';
    const now = () => {
      written += text(err);
      return screen(written);
    };
    reporter.show(progress('pretrain', 10, 40, 1.5));
    expect(now()).toEqual(['  pretrain                 ======------------------ 10/40  loss 1.500']);
    reporter.show(progress('pretrain', 40, 40, 0.25));
    reporter.show(progress('train', 5, 10));
    const pretrained = '  pretrain                 40/40  loss 0.250';
    const training = '  train                    ============------------ 5/10';
    expect(now()).toEqual([pretrained, training]);
    reporter.show(alert);
    const warning = [
      '  warning  step 0  merging with mnist by weight_avg is',
      '          predicted at 81.2 % raw (alert below 85 %)',
    ];
    expect(now()).toEqual([pretrained, ...warning, training]);
    reporter.close();
    reporter.close();
    expect(now()).toEqual([pretrained, ...warning, '  train                    5/10', '']);
    const [hidden, shown] = ['l', 'h'].map((end) => written.split(`\u001b[?25${end}`).length);
    expect(hidden).toBe(shown);
  });

  it('writes plain lines where there is no terminal', () => {
    const err = makeOutput(null);
    const reporter = new DemoReporter(false, makeOutput(null), err);
    reporter.show(progress('draw tasks', 0, 1));
    reporter.show(progress('pretrain', 10, 40, 1.5));
    reporter.show(progress('pretrain', 20, 40, 1.2));
    reporter.show(alert);
    reporter.show(progress('pretrain', 30, 40, 1.2));
    reporter.close();
    expect(text(err).split('\n')).toEqual([
      '  draw tasks',
      '  pretrain: 40 steps',
      `  warning  step 0  ${alert.title}`,
      '',
    ]);
  });

  it('prints events as JSON, and then draws no bar into the same terminal', () => {
    const out = makeOutput(80);
    const err = makeOutput(80);
    const reporter = new DemoReporter(true, out, err);
    reporter.show(progress('train', 1, 2));
    reporter.close();
    expect(JSON.parse(text(out))).toEqual(progress('train', 1, 2));
    expect(text(err)).toBe('  train: 2 steps\n');
  });
});
