import {
  type ControllerOptions,
  controllerOptions,
  type Decision,
  SteeringController,
} from '../../src/steering/controller/index.js';
import { Random } from '../../src/tensors/index.js';

export interface Plant {
  /** what full strength adds to the accuracy after merging, and to the model's own, once it has worked */
  readonly gain: number;
  readonly ownChange: number;
  /** standard deviation of a measurement */
  readonly noise: number;
  /** steps in which steering comes to work */
  readonly slowness: number;
  readonly seed: number;
}

export interface Stand {
  readonly step: number;
  readonly level: number;
  readonly phase: SteeringController['phase'];
  readonly decision: Decision | null;
  /** without noise */
  readonly merged: number;
}

const EVERY = 10;

/** Its terms can act more rarely, but for what is given. */
export function controllerOf(
  given: Partial<ControllerOptions> = {},
  stretchable: readonly string[] = ['scale_jitter'],
): SteeringController {
  return new SteeringController({ ...controllerOptions.parse({}), ...given }, stretchable);
}

/** A training whose accuracies rise along a learning curve, and what a controller makes of it; a measurement every 10 steps. */
export function simulate(
  plant: Plant,
  given: Partial<ControllerOptions>,
  measurements: number,
  source: 'mergeProbe' | 'selfProbe' | 'prediction' = 'selfProbe',
  controller = controllerOf(given),
): Stand[] {
  const random = new Random('plant', plant.seed);
  const stands: Stand[] = [];
  let effect = 0;
  let level = 0;
  for (let i = 1; i <= measurements; i++) {
    const step = i * EVERY;
    effect += (level - effect) * (1 - Math.exp(-EVERY / plant.slowness));
    const learnt = 1 - 0.4 * (step / 10) ** -0.5;
    const merged = 0.8 * learnt + plant.gain * effect;
    const own = 0.92 * learnt + plant.ownChange * effect;
    const measured = (value: number) => ({
      step,
      value: value + plant.noise * random.normal(),
      standardError: plant.noise,
    });
    const none = { mergeProbe: null, selfProbe: null, prediction: null };
    const decision = controller.update({
      step,
      ...none,
      [source]: measured(merged),
      hasMergeProbes: source === 'mergeProbe',
      own: measured(own),
      stepCost: level > 0 ? 0 : null,
    });
    level = decision?.level ?? level;
    stands.push({ step, level, phase: controller.phase, decision, merged });
  }
  return stands;
}
