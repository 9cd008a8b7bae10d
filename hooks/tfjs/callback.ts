import * as tf from '@tensorflow/tfjs';
import { type Attached, type AttachOptions, attach } from './attach.js';

/**
 * The guard as a callback of `LayersModel.fit` and `fitDataset`: attaches to the model's optimiser when training
 * begins, reports progress, detaches when it ends.
 *
 *     await model.fit(x, y, { callbacks: guardCallback({ references: ['mnist.safetensors'] }) });
 *
 * `onAttached` is called once, before the first batch, with the guard.
 */
export function guardCallback(
  options: Omit<AttachOptions, 'weights'> & { onAttached?: (guard: Attached) => void },
): tf.CustomCallback {
  return new GuardCallback(options);
}

/** tf.CustomCallback keeps the model to itself; its base class hands it over by `setModel`. */
class GuardCallback extends tf.CustomCallback {
  #model: tf.LayersModel | null = null;

  constructor({
    onAttached,
    ...options
  }: Omit<AttachOptions, 'weights'> & { onAttached?: (guard: Attached) => void }) {
    let guard: Attached | null = null;
    super({
      onTrainBegin: async () => {
        const model = this.#model as tf.LayersModel;
        guard = await attach(model.optimizer, { ...options, weights: model });
        onAttached?.(guard);
      },
      onEpochEnd: async (epoch, logs) => {
        guard?.progress('train', epoch + 1, Number(this.params.epochs), logs?.loss ?? null);
      },
      onTrainEnd: async () => {
        await guard?.detach('done');
      },
    });
  }

  override setModel(model: tf.LayersModel): void {
    super.setModel(model);
    this.#model = model;
  }
}
