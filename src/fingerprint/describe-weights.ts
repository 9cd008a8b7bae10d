import { points, signedPoints, wrap } from './lines.js';
import type { Variant } from './schema.js';

const TOP = 5;
const REFERENCES = 4;

/** Less than this is 0.00 points. */
const LEAST_SHOWN = 5e-5;

/**
 * What raises the prediction and what lowers it, the largest weights of either, each with its range over the fits
 * without one task.
 *
 * @param signal false where metrics alone do not beat metrics of the wrong tasks
 */
export function describeWeights({ features }: Variant, signal: boolean | null): string[] {
  const weighted = features
    .filter(({ weight }) => Math.abs(weight) >= LEAST_SHOWN)
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  if (weighted.length === 0) {
    const none =
      features.length === 0 ? 'It has no metrics' : 'No metric moves the prediction by 0.01 points';
    return wrap('  ', `${none}: the prediction is the effect of the reference.`);
  }
  const warning = signal === false ? ' Not to be read: see above.' : '';
  return [
    ...wrap(
      '  ',
      `Weights of ${weighted.length} among ${features.length} metrics, in points for one interquartile range of the ` +
        `metric, in brackets over this fit and those without one task.${warning}`,
    ),
    '  Raises the prediction:',
    ...weightLines(weighted.filter(({ weight }) => weight > 0)),
    '  Lowers it:',
    ...weightLines(weighted.filter(({ weight }) => weight < 0)),
  ];
}

function weightLines(sorted: Variant['features']): string[] {
  if (sorted.length === 0) {
    return ['    nothing'];
  }
  const largest = sorted.slice(0, TOP);
  const width = Math.max(...largest.map(({ name }) => name.length));
  return largest.map(({ name, weight, range: [low, high] }) => {
    const range = `(${points(low).padStart(5)} to ${points(high).padStart(5)})`;
    const doubt = low <= -LEAST_SHOWN && high >= LEAST_SHOWN ? 'sign not certain' : '';
    return `    ${signedPoints(weight).padStart(6)}  ${range}  ${name.padEnd(width)}  ${doubt}`.trimEnd();
  });
}

/** The references with the largest effects either way. */
export function describeReferences({ effects, effectSpread }: Variant): string[] {
  const sorted = Object.entries(effects).sort(([, a], [, b]) => b - a);
  const list = (some: [string, number][]) =>
    some
      .slice(0, REFERENCES)
      .map(([name, effect]) => `${name} ${signedPoints(effect)}`)
      .join(', ') || 'none stands out';
  return [
    '  References, in points beside a typical one:',
    ...wrap('    merge best   ', list(sorted.filter(([, effect]) => effect >= LEAST_SHOWN))),
    ...wrap('    merge worst  ', list(sorted.filter(([, effect]) => effect <= -LEAST_SHOWN).reverse())),
    ...wrap(
      '    ',
      `One that is not among the ${sorted.length} of the fit is taken as typical, and widens the interval by ` +
        `their spread of ${points(effectSpread)}.`,
    ),
  ];
}
