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
const everything = (name: string, size: CalibrationSize): Predictor => ({
  name,
  measurements: [...probe(size), ...selfProbe(size)],
  metrics: true,
  effects: true,
});
const onlyLines = (name: string, measurements: readonly string[]): Predictor => ({
  name,
  measurements,
  metrics: false,
  effects: false,
});

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
  { name: 'probe + effects', measurements: probe('128'), metrics: false, effects: true },
  { ...everything('all - metrics', '128'), metrics: false },
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
