import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeFingerprint, type Fingerprint, type Variant } from '../../src/fingerprint/index.js';
import { exampleFingerprint } from './example.js';

/** The text for the example, after its first variant or all of it was changed. */
function textOf(change: (first: Variant, fingerprint: Fingerprint) => void = () => undefined): string {
  const fingerprint = exampleFingerprint();
  change(fingerprint.methods.ties.variants[0], fingerprint);
  return describeFingerprint(fingerprint).join('\n');
}

/** As one line, since where lines break is of no interest. */
function flat(text: string): string {
  return text.replace(/\s+/g, ' ');
}

describe('describeFingerprint', () => {
  it('says what it predicts, for which models, and what it was fitted on', () => {
    const text = flat(textOf((_, { provenance }) => provenance.notes.push('three rows were left out')));
    expect(text).toContain('fingerprint example predicts normalised accuracy after a merge: ');
    expect(text).toContain('no others: small transformer, trained with adamw');
    expect(text).toContain('fitted on 20 merges of 2 tasks: mnist, greek from drawn');
    expect(text).toContain('held out the live side only');
    expect(text).toContain('gradients ema (live), ema (references)');
    expect(text).toContain('note three rows were left out');
    const raw = textOf((_, fingerprint) => {
      fingerprint.target = 'acc';
      fingerprint.provenance.penalties = 'default';
    });
    expect(raw).toContain('raw accuracy after a merge');
    expect(raw).toContain('the default ones, not chosen on this table');
  });

  it('begins with one line a method', () => {
    const lines = textOf().split('\n');
    const at = lines.findIndex((line) => line.startsWith('  method'));
    expect(lines[at + 1].split(/ {2,}/).slice(1)).toEqual([
      'ties',
      '2.00',
      '± 4.0',
      '2.50',
      'help',
      'signal (r 0.60, null 0.50)',
    ]);
  });

  it('gives errors, intervals and coverage', () => {
    const text = flat(textOf());
    expect(text).toContain('off by 2.00 points on average (1.50 to 2.60 in 90 % of resamples of the tasks)');
    expect(text).toContain('r 0.70 (0.60 to 0.80)');
    expect(text).toContain('intervals: 80 % ± 4.0 (held in 80 % of the merges), 95 % ± 8.0');
  });

  it.each<[string, [number, number], number]>([
    ['the metrics help (+0.50; +0.20 to +0.80', [0.002, 0.008], 0.025],
    ['the metrics make no difference (+0.50; -0.01 to +0.80', [-0.0001, 0.008], 0.025],
    ['the metrics make no difference (+0.50; 0.00 to +0.80', [0, 0.008], 0.025],
    ['the metrics make no difference (-0.50; -0.80 to 0.00', [-0.008, 0], 0.015],
    ['the metrics do harm (-0.50; -0.80 to -0.20', [-0.008, -0.002], 0.015],
  ])('judges the metrics beside effects by the interval of their gain: %s', (verdict, gain, mae) => {
    const text = textOf((first) => {
      first.bootstrap.gain = gain;
      first.effectsOnly = { r: 0.65, mae };
    });
    expect(flat(text)).toContain(
      `effects alone, without metrics, are off by ${(100 * mae).toFixed(2)}: ${verdict} in 90 % of resamples; more than 0 is better)`,
    );
  });

  it('says in so many words whether metrics alone beat metrics of the wrong tasks', () => {
    const beaten = flat(textOf());
    expect(beaten).toContain(
      'with metrics of the wrong tasks r is 0.40, and 0.50 at the 95 % point of 20 relabellings: there is signal in them',
    );
    expect(beaten).not.toContain('Not to be read');
    for (const r of [0.5, 0.45, null]) {
      const weak = textOf((first) => {
        first.metricsOnly = { r, mae: 0.03, penalty: 0.003, weights: {} };
      });
      expect(flat(weak)).toContain(
        'there is no signal in them beyond recognising the partner, do not read the weights',
      );
      expect(flat(weak)).toContain('Not to be read: see above.');
      expect(weak).toMatch(/^ {2}ties .* no signal \(r /m);
    }
    const few = textOf((first) => {
      first.null = { count: 18, meanR: 0.4, r95: 0.5 };
    });
    expect(flat(few)).toContain('18 relabellings are too few to say');
    expect(few).toMatch(/^ {2}ties .* too few to say \(r 0\.60, null 0\.50\)$/m);
    expect(few).not.toMatch(/there is (no )?signal in them|Not to be read/);
    const untried = textOf((first) => {
      first.null = null;
    });
    expect(flat(untried)).toContain('metrics of the wrong tasks were not tried');
    expect(untried).not.toMatch(/signal in them|Not to be read/);
  });

  it('lists what raises and what lowers the prediction, with the range over the fits without one task', () => {
    const lines = textOf().split('\n');
    const raises = lines.indexOf('  Raises the prediction:');
    expect(lines.slice(raises, raises + 4)).toEqual([
      '  Raises the prediction:',
      '     +1.00  ( 0.80 to  1.20)  task_vector_cosine_similarity',
      '  Lowers it:',
      '     -2.00  (-2.50 to -1.50)  encoder_gradient_l2_distance',
    ]);
    expect(flat(textOf())).toContain('Weights of 2 among 3 metrics');
  });

  it('doubts a sign only where it changes', () => {
    const doubted = (range: [number, number]) =>
      textOf((first) => {
        first.features[0].range = range;
      }).includes('sign not certain');
    expect(doubted([-0.001, 0.012])).toBe(true);
    expect(doubted([0, 0.012])).toBe(false);
    // the solver's rounding
    expect(doubted([-2e-10, 0.012])).toBe(false);
  });

  it('lists the five largest either way, and no weight that is none', () => {
    const text = textOf((first) => {
      const [feature] = first.features;
      first.features = Array.from({ length: 8 }, (_, i) => ({
        ...feature,
        name: `m${i}`,
        weight: i === 7 ? 1e-10 : 0.001 * (i + 1),
      }));
    });
    const listed = text.split('\n').filter((line) => /^ +[+-]\d.*\) {2}m\d/.test(line));
    expect(listed.map((line) => line.trim().split(/ +/).at(-1))).toEqual(['m6', 'm5', 'm4', 'm3', 'm2']);
    expect(text).toMatch(/Lowers it:\n {4}nothing/);
    expect(flat(text)).toContain('Weights of 7 among 8 metrics');
    const none = textOf((first) => {
      first.features = first.features.map((feature) => ({ ...feature, weight: 1e-10 }));
    });
    expect(none).toContain('No metric moves the prediction by 0.01 points');
  });

  it('names the references that merge best and worst', () => {
    const text = textOf((first) => {
      first.effects = { a: 0.01, b: -0.02, c: 0, d: 0.05, e: 0.03, f: 0.02, g: 0.04, h: -0.03 };
      first.effectSpread = 0.029;
    });
    expect(text).toContain('merge best   d +5.00, g +4.00, e +3.00, f +2.00\n');
    expect(text).toContain('merge worst  h -3.00, b -2.00\n');
    expect(flat(text)).toContain('not among the 8 of the fit is taken as typical');
    expect(flat(text)).toContain('by their spread of 2.90.');
  });

  it('says which variant a stream gets, as scoring chooses it', () => {
    const lines = textOf((_, { methods }) => {
      const [first, second, effects] = methods.ties.variants;
      // needs what the second one needs and more, and comes after it
      methods.ties.variants = [first, second, { ...first, name: 'late' }, effects];
      second.loto.mae = 0.0234;
    }).split('\n');
    const at = lines.findIndex((line) => line.includes('offers at least'));
    const cells = lines.slice(at, at + 5).map((line) => line.trim().split(/ {2,}/));
    expect(cells).toEqual([
      ['offers at least', 'variant', 'off by', '80 %', '95 %'],
      ['weights, gradients', 'weights+gradients', '2.00', '± 4.0', '± 8.0'],
      ['weights', 'weights', '2.34', '± 4.0', '± 8.0'],
      ['no metrics', 'effects', '2.00', '± 4.0', '± 8.0'],
      ['Never used, since one above needs no more: late.'],
    ]);
  });

  it('gives self-probes and groups where it was fitted on any, and says so where it was not', () => {
    const text = flat(textOf());
    expect(text).toContain(
      'a self-probe, the live model at base + 0.5 tau, is off by 2.00 alone and by 1.00 together',
    );
    expect(text).toContain('groups none in the table');
    const other = flat(
      textOf((_, { methods }) => {
        methods.ties.selfProbe = null;
        methods.ties.groups = { rows: 12, growth: 0.78, mae: 0.03, intervals: [] };
      }),
    );
    expect(other).toContain('self-probe none in the table');
    expect(other).not.toContain('a self-probe, the live model');
    expect(other).toContain(
      'off by 3.00 (12 such merges): m models lose what their pairs lose times (m - 1) ^ 0.78',
    );
    expect(other).not.toContain('groups none in the table');
  });

  it('names what is not used, by reason', () => {
    const text = textOf((first) => {
      first.dropped = [
        { feature: 'a', reason: 'constant over the rows' },
        { feature: 'b', reason: 'missing in 12 rows' },
        { feature: 'c', reason: 'constant over the rows' },
      ];
    });
    expect(text).toContain('  Not used (constant over the rows): a, c\n  Not used (missing in 12 rows): b');
  });

  it('describes one that has effects only', () => {
    const text = textOf((_, { methods }) => {
      methods.ties.variants.splice(0, 2);
    });
    expect(text).toMatch(/^ {2}ties +2.00 +± 4.0 +2.00 +there are none$/m);
    expect(flat(text)).toContain('It has no metrics: the prediction is the effect of the reference.');
    expect(text).not.toMatch(/signal|help|undefined|null|NaN/);
  });

  it('fits a terminal of 100 columns, whatever is in it', () => {
    const words = fc.array(fc.string({ minLength: 1, maxLength: 30 }), { maxLength: 40 });
    fc.assert(
      fc.property(words, words, (tasks, notes) => {
        const text = textOf((first, { provenance }) => {
          provenance.tasks = tasks;
          provenance.notes = [notes.join(' ')];
          provenance.source = notes.join(' ');
          first.effects = Object.fromEntries(tasks.map((task, i) => [task, 0.01 * (i - 4)]));
        });
        for (const line of text.split('\n')) {
          expect([...line].length).toBeLessThanOrEqual(100);
        }
      }),
      { seed: 3, numRuns: 50 },
    );
  });
});
