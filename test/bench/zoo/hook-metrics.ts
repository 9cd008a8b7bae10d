import * as tf from '@tensorflow/tfjs';
import { attach } from '../../../hooks/tfjs/index.js';
import type { GuardConfigInput, TickEvent } from '../../../src/guard/index.js';
import { applyTau } from '../../../src/merging/index.js';
import { listProblems, MergeguardError } from '../../../src/tensors/index.js';
import { setEncoder, setHead } from '../../../src/zoo/pool.js';
import { imageTensor } from '../../../src/zoo/train.js';
import { VisionTransformer, ZOO_SHAPE } from '../../../src/zoo/vision-transformer.js';
import type { Zoo, ZooModel } from './open-zoo.js';
import type { ZooPair } from './zoo-table.js';

/** What a guard of a finished model is asked for: metrics, nothing else. */
const CONFIG: GuardConfigInput = {
  fingerprint: null,
  gradient: { kind: 'calibration' },
  selfProbe: { enabled: false },
};

/**
 * The 28 metrics of one model against others, by name: a guard stands beside the finished model and measures once, as at the
 * end of its training, all of it.
 */
export async function hookMetrics(
  { base }: Zoo,
  live: ZooModel,
  partners: readonly ZooModel[],
): Promise<Record<string, ZooPair['metrics']>> {
  const model = new VisionTransformer(ZOO_SHAPE, 0);
  const optimizer = tf.train.sgd(0);
  const inputs = imageTensor(live.task.calibration);
  try {
    setEncoder(model, applyTau(base, live.reference.tau));
    setHead(model, live.task, live.head);
    const guard = await attach(optimizer, {
      weights: new Map([...model.encoder(), ...model.head(live.name)]),
      base,
      references: partners.map(({ reference }) => reference),
      config: CONFIG,
      calibration: {
        inputs,
        labels: live.task.calibration.labels,
        predict: (images) => model.logits(images as tf.Tensor3D, live.name),
        activation: (images) => model.features(images as tf.Tensor3D),
        layer: 'encoder output',
      },
    });
    const ticks: TickEvent[] = [];
    guard.events.subscribe((event) => {
      if (event.event === 'tick') {
        ticks.push(event);
      }
    });
    await guard.detach('done');
    const last = ticks.at(-1);
    if (last === undefined) {
      throw new MergeguardError(
        `the metrics of ${live.name} were not measured: the guard said nothing of it`,
      );
    }
    checkReasons(live.name, last);
    return Object.fromEntries(last.pairs.map(({ reference, metrics }) => [reference, metrics]));
  } finally {
    inputs.dispose();
    optimizer.dispose();
    model.dispose();
  }
}

function checkReasons(live: string, { pairs }: TickEvent): void {
  const problems = pairs.flatMap(({ reference, metrics, reasons }) =>
    Object.keys(metrics)
      .filter((name) => metrics[name] === null && reasons[name] === undefined)
      .map((name) => `${name} with ${reference}`),
  );
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`metrics of ${live} are null without a reason:`, problems));
  }
}
