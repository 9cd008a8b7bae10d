import { describeVariants } from './describe-variants.js';
import { describeReferences, describeWeights } from './describe-weights.js';
import { correlation, percent, points, wrap } from './lines.js';
import type { Fingerprint, MethodFingerprint, Variant } from './schema.js';
import { describeErrors, describeTrust, verdictsOf } from './trust.js';

/** Names of tasks that are listed. */
const MOST_TASKS = 30;

/** Lines for a person, of at most 100 columns: what moves each prediction, and how far to trust it. */
export function describeFingerprint(fingerprint: Fingerprint): string[] {
  const { methods, level } = fingerprint;
  return [
    ...describeOrigin(fingerprint),
    '',
    ...wrap(
      '',
      'How far off it is on tasks that it has not seen: each task was left out of the fit once. Errors are mean ' +
        "absolute ones in points (hundredths of accuracy). Of a method's variants the one with most metrics is " +
        'described.',
    ),
    ...summary(fingerprint),
    ...Object.entries(methods).flatMap(([method, fitted]) => ['', ...describeMethod(method, fitted, level)]),
  ];
}

const PREDICTED = {
  normalized_acc:
    "normalised accuracy after a merge: each task's accuracy over that of its own model, both averaged",
  acc: 'raw accuracy after a merge, the mean of both tasks; to guard a run it takes one of normalised accuracy',
};

function describeOrigin({ name, target, gradientKinds, provenance, methods }: Fingerprint): string[] {
  const { architecture, optimiser, source, rows, tasks, directed, penalties, notes } = provenance;
  const { live, reference } = gradientKinds;
  const all = Object.values(methods);
  const shown = tasks.slice(0, MOST_TASKS).join(', ');
  const facts: [string, string | null][] = [
    ['predicts', PREDICTED[target]],
    ['right for', `models like these and no others: ${architecture}, trained with ${optimiser}`],
    [
      'fitted on',
      `${rows} merges of ${tasks.length} tasks: ${shown}${tasks.length > MOST_TASKS ? ' and others' : ''}`,
    ],
    ['from', source],
    ['held out', directed ? 'the live side only: the references were known to the fit' : null],
    [
      'gradients',
      live === null && reference === null
        ? null
        : `${live ?? 'none'} (live), ${reference ?? 'none'} (references); those of other kinds are not used`,
    ],
    [
      'penalties',
      penalties === 'nested'
        ? 'chosen on this table, inside the training folds'
        : 'the default ones, not chosen on this table',
    ],
    [
      'self-probe',
      all.every(({ selfProbe }) => selfProbe === null)
        ? 'none in the table: one that a run takes stands beside the score and does not change it'
        : null,
    ],
    [
      'groups',
      all.every(({ groups }) => groups === null)
        ? 'none in the table: merges with several references are ranked, their level is not known'
        : null,
    ],
    ...notes.map((note): [string, string] => ['note', note]),
  ];
  return [
    `fingerprint ${name}`,
    ...facts.flatMap(([title, text]) => (text === null ? [] : wrap(`  ${title.padEnd(12)}`, text))),
  ];
}

/** One line a method, by its first variant. */
function summary({ methods, level }: Fingerprint): string[] {
  const width = Math.max(...Object.keys(methods).map((method) => method.length), 'method'.length);
  const line = (cells: readonly string[]) =>
    `  ${cells[0].padEnd(width)}${cells[1].padStart(8)}${cells[2].padStart(8)}${cells[3].padStart(15)}  ` +
    `${cells[4].padEnd(22)}  ${cells[5]}`.trimEnd();
  return [
    line(['method', 'off by', percent(level), 'effects alone', 'metrics beside them', 'metrics alone']),
    ...Object.entries(methods).map(([method, { variants }]) =>
      line([method, ...summaryCells(variants[0], level)]),
    ),
  ];
}

function summaryCells(variant: Variant, level: number): string[] {
  const { loto, effectsOnly, metricsOnly, null: nulls, intervals } = variant;
  const { gain, signal } = verdictsOf(variant);
  const half = intervals.find((interval) => interval.level === level)?.halfWidth;
  const verdict = signal === null ? 'too few to say' : signal ? 'signal' : 'no signal';
  return [
    points(loto.mae),
    half === undefined ? '' : `± ${points(half, 1)}`,
    points(effectsOnly?.mae ?? loto.mae),
    gain ?? (metricsOnly === null ? 'there are none' : 'not tried'),
    metricsOnly === null || nulls === null || nulls.r95 === null
      ? ''
      : `${verdict} (r ${correlation(metricsOnly.r)}, null ${correlation(nulls.r95)})`,
  ];
}

function describeMethod(
  method: string,
  { rows, variants, selfProbe, groups }: MethodFingerprint,
  level: number,
): string[] {
  const [first] = variants;
  const trust = [
    ...describeErrors(first, level),
    ...describeTrust(first),
    ...(selfProbe === null ? [] : [describeSelfProbe(first, selfProbe)]),
    ...(groups === null ? [] : [describeGroups(groups)]),
  ];
  return [
    `${method}: ${first.rows === rows ? '' : `${first.rows} of `}${rows} merges, by the variant "${first.name}"`,
    '  How far to trust it:',
    ...trust.flatMap((sentence) => wrap('  - ', sentence)),
    ...describeWeights(first, verdictsOf(first).signal),
    ...describeReferences(first),
    ...describeVariants(variants),
    ...describeDropped(first),
  ];
}

function describeSelfProbe(
  { combined }: Variant,
  { scale, loto }: NonNullable<MethodFingerprint['selfProbe']>,
): string {
  return (
    `a self-probe, the live model at base + ${scale} tau, is off by ${points(loto.mae)} alone` +
    (combined === null ? '' : ` and by ${points(combined.loto.mae)} together with this`)
  );
}

function describeGroups({ rows, growth, mae }: NonNullable<MethodFingerprint['groups']>): string {
  return (
    `merged with several references at once, off by ${points(mae)} (${rows} such merges): m models lose what their ` +
    `pairs lose times (m - 1) ^ ${growth.toFixed(2)}`
  );
}

function describeDropped({ dropped }: Variant): string[] {
  const reasons = [...new Set(dropped.map(({ reason }) => reason))];
  return reasons.flatMap((reason) => {
    const names = dropped.filter((each) => each.reason === reason).map(({ feature }) => feature);
    return wrap('  ', `Not used (${reason}): ${names.join(', ')}`);
  });
}
