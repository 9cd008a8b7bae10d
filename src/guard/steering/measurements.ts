import type { Measured, Measurements } from '../../steering/controller/index.js';
import type { ProbeEvent, TickEvent } from '../events.js';
import { MergeRounds } from './merge-rounds.js';

/** What the controller is told of a run, from its events. */
export class RunMeasurements {
  readonly #rounds = new MergeRounds();

  /** @param probes that came since the tick before, in their order */
  of(tick: TickEvent, probes: readonly ProbeEvent[]): Measurements {
    let mergeProbe: Measured | null = null;
    for (const probe of probes) {
      mergeProbe = this.#rounds.add(probe) ?? mergeProbe;
    }
    const { selfProbe, step } = tick;
    return {
      step,
      mergeProbe,
      hasMergeProbes: this.#rounds.hasBegun,
      selfProbe: selfProbe && accuracyOf(selfProbe.scaledAccuracy, selfProbe),
      prediction: predictionOf(tick),
      own: selfProbe ? accuracyOf(selfProbe.accuracy, selfProbe) : ownByMerging(probes),
      stepCost: tick.cost.steering ?? null,
    };
  }
}

function accuracyOf(value: number, { samples, step }: { samples: number; step: number }): Measured {
  return { step, value, standardError: Math.sqrt((value * (1 - value)) / samples) };
}

/** Mean predicted raw accuracy over all references and methods. */
function predictionOf({ pairs, step }: TickEvent): Measured | null {
  const raw = pairs
    .flatMap(({ scores }) => scores.map((score) => score.raw))
    .filter((value) => value !== null);
  return raw.length === 0
    ? null
    : { step, value: raw.reduce((sum, value) => sum + value, 0) / raw.length, standardError: 0 };
}

/** The live model's own accuracy, as the last merge probe measured it beside. */
function ownByMerging(probes: readonly ProbeEvent[]): Measured | null {
  for (const { tasks, step } of [...probes].reverse()) {
    if (tasks && tasks.live.ownAccuracy !== null) {
      return accuracyOf(tasks.live.ownAccuracy, { samples: tasks.live.samples, step });
    }
  }
  return null;
}
