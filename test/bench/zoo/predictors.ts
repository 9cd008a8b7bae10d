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
  /** predictors that it combines, see stackOf; what else it says is then what they need together */
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
const selfProbe = (size: CalibrationSize) => measured('selfProbe', size);
const onlyLines = (name: string, measurements: readonly string[]): Predictor => ({
  name,
  measurements,
  metrics: false,
  effects: false,
});

const EFFECTS: Predictor = { name: 'effects', measurements: [], metrics: false, effects: true };
const BOTH: Predictor = { name: 'both', measurements: [], metrics: true, effects: true };
/** What the probe leaves of a task that the fit knows is the luck of its images, the same in all its pairs. */
const withEffects = (size: CalibrationSize): Predictor => ({
  name: `probe${size} + effects`,
  measurements: probe(size),
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
const everything = (name: string, size: CalibrationSize): Predictor =>
  stack(name, [
    onlyLines(`probe${size}`, probe(size)),
    withEffects(size),
    onlyLines(`self-probe ${size}`, selfProbe(size)),
    EFFECTS,
    BOTH,
  ]);

export const PREDICTORS: readonly (Predictor & { readonly name: PredictorName })[] = [
  { name: 'metrics', measurements: [], metrics: true, effects: false },
  { ...EFFECTS, name: 'effects' },
  { ...BOTH, name: 'both' },
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
  { ...withEffects('128'), name: 'probe + effects' },
  stack('all - metrics', everything('all', '128').parts!.slice(0, -1)),
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
