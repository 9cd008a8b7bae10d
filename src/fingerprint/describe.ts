import type { Fingerprint, MethodFingerprint, Variant } from './schema.js';

/** Lines for a person: what raises and lowers each prediction, and how far to trust it. */
export function describeFingerprint(fingerprint: Fingerprint): string[] {
  const { provenance, level } = fingerprint;
  const lines = [
    `fingerprint ${fingerprint.name}: predicts normalised accuracy after a merge, ` +
      `fitted on ${provenance.rows} merges of ${provenance.tasks.length} tasks (${provenance.source})`,
    `right only for models like these: ${provenance.architecture}, trained with ${provenance.optimiser}`,
  ];
  for (const [method, fitted] of Object.entries(fingerprint.methods)) {
    lines.push(`${method}:`, ...describeMethod(fitted, level).map((line) => `  ${line}`));
  }
  return lines;
}

function describeMethod({ variants, selfProbe }: MethodFingerprint, level: number): string[] {
  const richest = variants[0];
  const half = richest.intervals.find((interval) => interval.level === level)?.halfWidth;
  const lines = [
    ...describeWeights(richest),
    `on tasks it had not seen: off by ${points(richest.loto.mae)} points on average` +
      (half === undefined ? '' : `; ${percent(level)} interval +- ${points(half)}`) +
      (richest.loto.coverage === null ? '' : `, which held in ${percent(richest.loto.coverage)} of the rows`),
    ...trust(richest),
  ];
  if (selfProbe !== null && richest.combined !== null) {
    lines.push(
      `with a self-probe: off by ${points(richest.combined.loto.mae)} points; ` +
        `the self-probe alone by ${points(selfProbe.loto.mae)}`,
    );
  }
  for (const { feature, reason } of richest.dropped) {
    lines.push(`not used: ${feature} (${reason})`);
  }
  return lines;
}

function describeWeights({ name, features }: Variant): string[] {
  const weighted = features
    .filter(({ weight }) => weight !== 0)
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  if (weighted.length === 0) {
    return [`${name}: no metric carries weight; the prediction is the reference's effect`];
  }
  const list = (sign: number) =>
    weighted
      .filter(({ weight }) => weight * sign > 0)
      .slice(0, 5)
      .map((feature) => `${feature.name} (${points(Math.abs(feature.weight))})`)
      .join(', ') || 'nothing';
  return [
    `${name}: raised by ${list(1)}`,
    `lowered by ${list(-1)} (points for one interquartile range of the metric)`,
  ];
}

/** In so many words where the metrics do not beat what needs no metrics. */
function trust({ loto, metricsOnly, effectsOnly, null: nulls }: Variant): string[] {
  const lines: string[] = [];
  if (effectsOnly !== null) {
    const gain = effectsOnly.mae - loto.mae;
    // Less than a twentieth of the error is nothing that anybody would notice.
    const verdict =
      Math.abs(gain) < effectsOnly.mae / 20 ? 'make no difference' : gain > 0 ? 'help' : 'do harm';
    lines.push(`task effects alone are off by ${points(effectsOnly.mae)} points: the metrics ${verdict}`);
  }
  if (metricsOnly !== null && nulls !== null && nulls.r95 !== null) {
    const beats = metricsOnly.r !== null && metricsOnly.r > nulls.r95;
    lines.push(
      `metrics alone rank unseen partners with r ${correlation(metricsOnly.r)}, ` +
        `metrics of the wrong tasks with ${correlation(nulls.meanR)} (95 % point ${correlation(nulls.r95)}): ` +
        (beats
          ? 'there is signal in them'
          : 'no signal beyond recognising the partner; do not read the weights'),
    );
  }
  return lines;
}

function points(fraction: number): string {
  return (100 * fraction).toFixed(1);
}

function percent(fraction: number): string {
  return `${Math.round(100 * fraction)} %`;
}

function correlation(r: number | null): string {
  return r === null ? 'unknown' : r.toFixed(2);
}
