import { MEASURES, measurementName, type ProbeKind } from './pair-rows.js';
import type { CalibrationSize } from './zoo-table.js';

/** What a pair's outcome is predicted from. */
export interface Predictor {
  readonly name: string;
  /** each gets a line of its own, and the lines are combined by inverse variance */
  readonly measurements: readonly string[];
  readonly metrics: boolean;
  readonly effects: boolean;
  /** the measurement as it is, nothing fitted */
  readonly raw?: boolean;
  /** predictors that it combines, see stackShares; what else it says is then what they need together */
  readonly parts?: readonly Predictor[];
}

/** In the order of the issue; the JSON line has these. */
export const PREDICTOR_NAMES = [
  'metrics',
  'effects',
  'both',
  'probe8',
  'probe32',
  'probe128',
  'selfProbe',
  'all',
] as const;
export type PredictorName = (typeof PREDICTOR_NAMES)[number];

const probe = (size: CalibrationSize) => measured('probe', size);
const probes = (size: CalibrationSize) => measured('probes', size);
const selfProbe = (size: CalibrationSize) => measured('selfProbe', size);
const onlyLines = (name: string, measurements: readonly string[]): Predictor => ({
  name,
  measurements,
  metrics: false,
  effects: false,
});

/** What probes leave of a task that the fit knows is the luck of its images, the same in all its pairs and by all methods. */
const withEffects = (name: string, measurements: readonly string[]): Predictor => ({
  name,
  measurements,
  metrics: false,
  effects: true,
});
const stack = (name: string, parts: readonly Predictor[]): Predictor => ({
  name,
  measurements: [...new Set(parts.flatMap(({ measurements }) => measurements))],
  metrics: parts.some(({ metrics }) => metrics),
  effects: parts.some(({ effects }) => effects),
  parts,
});
/**
 * Everything at so many samples a task: the probe; what other merge methods make of the same samples, which errs in other
 * images; the luck of a task's images, learned from its other pairs; and for few samples metrics, effects and self-probe in one program. Of three
 * ways to put them together this is the one that was closest on the benchmark's own seeds: see docs/zoo-benchmark.md.
 */
const everything = (name: string, size: CalibrationSize): Predictor =>
  stack(name, [
    onlyLines(`probe${size}`, probe(size)),
    onlyLines(`probes${size}`, probes(size)),
    withEffects(`probes${size} + effects`, probes(size)),
    {
      name: `both on probe${size} and self-probe`,
      measurements: [...probe(size), ...selfProbe(size)],
      metrics: true,
      effects: true,
    },
  ]);

export const PREDICTORS: readonly (Predictor & { readonly name: PredictorName })[] = [
  { name: 'metrics', measurements: [], metrics: true, effects: false },
  { name: 'effects', measurements: [], metrics: false, effects: true },
  { name: 'both', measurements: [], metrics: true, effects: true },
  { ...onlyLines('probe8', probe('8')), name: 'probe8' },
  { ...onlyLines('probe32', probe('32')), name: 'probe32' },
  { ...onlyLines('probe128', probe('128')), name: 'probe128' },
  { ...onlyLines('selfProbe', selfProbe('128')), name: 'selfProbe' },
  { ...everything('all', '128'), name: 'all' },
];

/** Printed beside them, so that one sees what helps. */
export const FURTHER_PREDICTORS: readonly Predictor[] = [
  { ...onlyLines('raw probe128', [measurementName('probe', '128', 'accuracy')]), raw: true },
  onlyLines('probe128 accuracy', [measurementName('probe', '128', 'accuracy')]),
  onlyLines('probe128 loss', [measurementName('probe', '128', 'loss')]),
  onlyLines('probe + self', [...probe('128'), ...selfProbe('128')]),
  withEffects('probe + effects', probe('128')),
  onlyLines('probes of all', probes('128')),
  withEffects('probes + effects', probes('128')),
  everything('all at 8', '8'),
  everything('all at 32', '32'),
];

/** `all` against the probe at the same number of samples a task. */
export const EQUAL_SAMPLES: readonly {
  readonly samples: number;
  readonly probe: string;
  readonly all: string;
}[] = [
  { samples: 8, probe: 'probe8', all: 'all at 8' },
  { samples: 32, probe: 'probe32', all: 'all at 32' },
  { samples: 128, probe: 'probe128', all: 'all' },
];

function measured(kind: ProbeKind, size: CalibrationSize): string[] {
  return MEASURES.map((measure) => measurementName(kind, size, measure));
}
