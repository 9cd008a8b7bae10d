import * as tf from '@tensorflow/tfjs';
import type { ProbeEvent } from '../../../src/guard/index.js';
import {
  bestTried,
  type ConfiguredMerge,
  type MergePool,
  type Survey,
  type TensorToMerge,
} from '../../../src/merging/index.js';
import { tauOf } from '../../../src/reference/index.js';
import { messageOf } from '../../../src/tensors/errors.js';
import { MergeguardError } from '../../../src/tensors/index.js';
import { inVariableLayout } from '../layout.js';
import type { Chunk } from '../sample-chunks.js';
import { LiveSnapshot } from './live-snapshot.js';
import { type ProbeNumbers, probeNumbers } from './probe-numbers.js';
import {
  askIn,
  type ProbedModel,
  type ProbedTask,
  type ReferenceTask,
  withoutAdapter,
} from './probed-task.js';
import { type Answers, take } from './task-samples.js';
import { areFinite, baseOf, readGroup, type TensorToRead } from './tensor-groups.js';

/** What one merge was worth. */
export interface MergeResult extends ProbeNumbers {
  readonly reference: string;
  readonly method: string;
  /** at which the live weights were taken */
  readonly step: number;
  /** the coefficient of the lowest loss; absent where only 1 was tried */
  readonly best?: NonNullable<ProbeEvent['best']>;
}

export interface PairProbeParts {
  readonly model: ProbedModel;
  readonly live: ProbedTask;
  readonly reference: ReferenceTask;
  readonly merge: ConfiguredMerge;
  readonly groups: readonly (readonly TensorToRead[])[];
  readonly pool: MergePool;
  /** factors on the merged task vector beside 1 */
  readonly others: readonly number[];
  readonly onResult: (result: MergeResult) => void;
}

/** What models answered about both tasks. */
interface BothAnswers {
  readonly live: Answers;
  readonly reference: Answers;
}

/** Begins a piece on the training's thread; what is left to do is for when device and worker thread have answered. */
type Piece = () => Promise<() => void>;

/**
 * One merge of the live model with one reference, from a snapshot of it to the result, piece by piece: the live model is asked about
 * its samples, the tensors are merged, the merged model is asked about both tasks', as it is and with other coefficients on its task
 * vector; at last the reference about its own, where it is asked by the live model's head. The snapshot becomes the merged model tensor by
 * tensor, so that there is one copy on the device, and another coefficient's while a pass with it lasts.
 */
export class PairProbe {
  readonly #parts: PairProbeParts;
  readonly #pieces: Piece[];
  readonly #survey: Survey<unknown> | null;
  readonly #own: BothAnswers;
  /** by coefficient, 1 first */
  readonly #merged: ReadonlyMap<number, BothAnswers>;
  #snapshot: LiveSnapshot | null = null;
  /** the live weights were not finite */
  #isGivenUp = false;

  constructor(parts: PairProbeParts) {
    this.#parts = parts;
    const { live, reference, groups, merge, others } = parts;
    this.#own = {
      live: live.samples.noAnswers(),
      reference: reference.own ?? reference.samples.noAnswers(),
    };
    this.#merged = new Map(
      [1, ...others].map((coefficient) => [
        coefficient,
        { live: live.samples.noAnswers(), reference: reference.samples.noAnswers() },
      ]),
    );
    this.#survey = merge.method.survey(merge.parameters);
    const passes = Array.from({ length: this.#survey?.passes ?? 0 }, (_, pass) => pass);
    this.#pieces = [
      ...this.#asking(live, this.#own.live),
      ...passes.flatMap((pass) => groups.map((group) => () => this.#look(group, pass))),
      ...groups.map((group) => () => this.#merge(group)),
      ...[...this.#merged].flatMap(([coefficient, answers]) => [
        ...this.#asking(live, answers.live, coefficient),
        ...this.#asking(reference, answers.reference, coefficient),
      ]),
    ];
    if (reference.own === null) {
      this.#pieces.push(
        ...groups.map((group) => () => this.#moveToReference(group)),
        ...this.#asking(reference, this.#own.reference),
      );
    }
  }

  #asking(task: ProbedTask, answers: Answers, coefficient = 1): Piece[] {
    return task.samples.chunks.map((chunk) => () => this.#ask(task, chunk, answers, coefficient));
  }

  /** Pieces that are left. */
  get left(): number {
    return this.#pieces.length;
  }

  /** The next piece. The first one takes the snapshot; the last one tells the result. */
  async begin(step: number): Promise<() => void> {
    if (this.#snapshot === null) {
      this.#snapshot = new LiveSnapshot(this.#parts.model.variables, step);
    }
    const piece = this.#pieces.shift() as Piece;
    const finish = await piece();
    return () => {
      finish();
      if (this.left === 0 && !this.#isGivenUp) {
        this.#tell();
      }
    };
  }

  async #ask(task: ProbedTask, chunk: Chunk, answers: Answers, coefficient: number): Promise<() => void> {
    const { nonTrainable } = this.#parts.model;
    const asked = tf.tidy(() => askIn(this.#at, this.#scaled(task, coefficient), chunk, nonTrainable));
    try {
      const values = (await asked.data()) as Float32Array;
      return () => take(answers, chunk, values);
    } finally {
      asked.dispose();
    }
  }

  /** The task as a model at base + coefficient * (snapshot - base) is asked about it. Call it inside tf.tidy. */
  #scaled({ samples, head }: ProbedTask, coefficient: number): ProbedTask {
    if (coefficient === 1) {
      return { samples, head };
    }
    const instead = new Map(head.instead);
    for (const entry of this.#parts.groups.flat()) {
      const { variable } = entry.tensor;
      const base = baseOf(entry);
      const moved = () => tf.add(base, tf.mul(tf.sub(this.#at.value(variable), base), coefficient));
      instead.set(variable, tf.tidy(moved));
    }
    return { samples, head: { predict: head.predict, instead } };
  }

  async #look(group: readonly TensorToRead[], pass: number): Promise<() => void> {
    const tensors = await this.#read(group);
    return () => {
      if (tensors === null) {
        this.#giveUp();
        return;
      }
      for (const tensor of tensors) {
        this.#survey?.visit(tensor, pass);
      }
    };
  }

  async #merge(group: readonly TensorToRead[]): Promise<() => void> {
    const { pool, merge } = this.#parts;
    const tensors = await this.#read(group);
    if (tensors === null) {
      return () => this.#giveUp();
    }
    const known = this.#survey?.result() ?? null;
    const merging = Promise.all(tensors.map((tensor) => pool.mergeTensor(merge, tensor, known)));
    const merged = await merging.catch((error) => {
      throw new MergeguardError(
        `the live model can not be merged with ${this.#name} by ${merge.id}: ${messageOf(error)}`,
      );
    });
    return () => {
      group.forEach((entry, t) => {
        this.#move(entry, merged[t]);
      });
    };
  }

  /** The tensors of both models; null where the live ones are not finite, of which the rule `nonFinite` tells. */
  async #read(group: readonly TensorToRead[]): Promise<TensorToMerge[] | null> {
    const { merge, reference } = this.#parts;
    const live = await readGroup(group, this.#at, merge.method.needsBase);
    if (!areFinite(live)) {
      return null;
    }
    return group.map(({ tensor }, t) => ({
      name: tensor.name,
      shape: tensor.shape,
      taus: [live[t].tau, tauOf(reference.reference, tensor).data],
      base: live[t].base,
    }));
  }

  /** The snapshot's tensor becomes base + this task vector. */
  #move(entry: TensorToRead, tau: Float32Array): void {
    const { tensor } = entry;
    const { shape, variable } = tensor;
    const values = inVariableLayout(tensor, { shape, data: tau });
    const moved = tf.tidy(() => tf.add(baseOf(entry), tf.tensor(values, variable.shape)));
    this.#at.replace(variable, moved);
    withoutAdapter(this.#at, tensor);
  }

  async #moveToReference(group: readonly TensorToRead[]): Promise<() => void> {
    const { reference } = this.#parts.reference;
    return () => {
      for (const entry of group) {
        this.#move(entry, tauOf(reference, entry.tensor).data);
      }
    };
  }

  /** of the reference */
  get #name(): string {
    return this.#parts.reference.reference.name;
  }

  get #at(): LiveSnapshot {
    return this.#snapshot as LiveSnapshot;
  }

  #giveUp(): void {
    this.#pieces.length = 0;
    this.#isGivenUp = true;
  }

  #tell(): void {
    const { merge, onResult } = this.#parts;
    const own = this.#own;
    const tried = [...this.#merged].map(([coefficient, merged]) => ({
      coefficient,
      outcome: probeNumbers(
        { merged: merged.live, own: own.live },
        { merged: merged.reference, own: own.reference },
      ),
    }));
    const numbers = tried[0].outcome;
    if (!Number.isFinite(numbers.loss)) {
      throw new MergeguardError(
        `the live model merged with ${this.#name} by ${merge.id} scores NaN or infinite values: its loss is ${numbers.loss}`,
      );
    }
    const result = { ...numbers, reference: this.#name, method: merge.id, step: this.#at.step };
    const best = tried.length > 1 ? bestTried(tried) : null;
    if (best === null) {
      onResult(result);
      return;
    }
    const { accuracy, loss, standardError } = best.outcome;
    onResult({ ...result, best: { coefficient: best.coefficient, accuracy, loss, standardError } });
  }

  /** What a reading and a forward pass cost, without the merge. */
  async rehearse(): Promise<number> {
    const { live, groups, others } = this.#parts;
    this.#snapshot = new LiveSnapshot(this.#parts.model.variables, 0);
    await this.#ask(live, live.samples.chunks[0], this.#own.live, others[0] ?? 1);
    const sizes = groups.map((group) => group.reduce((sum, { tensor }) => sum + tensor.variable.size, 0));
    const largest = groups[sizes.indexOf(Math.max(...sizes))];
    const read = await readGroup(largest, this.#at, false);
    largest.forEach((entry, t) => {
      this.#move(entry, read[t].tau);
    });
    return 2;
  }

  dispose(): void {
    this.#snapshot?.dispose();
    this.#snapshot = null;
  }
}
