import * as tf from '@tensorflow/tfjs';
import {
  type GradientTerm,
  type LossGradients,
  type LossTerm,
  type SteeringContext,
  TERMS,
  type Term,
} from '../../src/steering/index.js';

/** Terms as a `steer` event names them. */
export interface SteeringOrder {
  readonly terms: readonly { term: string; strength: number; parameters: Record<string, unknown> }[];
  /** steps after which they end unless renewed; null: until the next order */
  readonly lifetimeSteps: number | null;
}

/** The regularisation terms in force, and the two places where they act. */
export class SteeringSeams {
  readonly #context: SteeringContext;
  readonly #nonTrainable: readonly tf.Variable[];
  readonly #plainFirst: boolean;
  #active: Term[] = [];
  #until = Number.POSITIVE_INFINITY;

  /**
   * `nonTrainable`: variables that a forward pass may update (BatchNorm), restored after a second evaluation.
   * `plainFirst`: `LayersModel.fit` logs the metrics of whichever evaluation came first; a loop of one's own
   * keeps what the last one left.
   */
  constructor(context: SteeringContext, nonTrainable: readonly tf.Variable[], plainFirst: boolean) {
    this.#context = context;
    this.#nonTrainable = nonTrainable;
    this.#plainFirst = plainFirst;
  }

  /**
   * Replaces the terms in force from `step` on.
   * @returns what can't be followed, a sentence each
   */
  follow(order: SteeringOrder, step: number): string[] {
    this.#stop();
    const problems: string[] = [];
    for (const { term: name, strength, parameters } of order.terms) {
      const info = TERMS.find((candidate) => candidate.name === name);
      if (!info) {
        problems.push(`unknown term ${name}; known are ${TERMS.map((term) => term.name).join(', ')}`);
      } else if (info.needs.includes('references') && this.#context.rightSubspaces.length === 0) {
        problems.push(`${name} needs references, and there are none; scale_jitter works without`);
      } else {
        try {
          this.#active.push(info.start({ ...parameters, strength }, this.#context));
        } catch (error) {
          problems.push(`${name}: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
    this.#until = order.lifetimeSteps === null ? Number.POSITIVE_INFINITY : step + order.lifetimeSteps;
    return problems;
  }

  /** Ends terms whose lifetime is over. */
  expire(step: number): void {
    if (step >= this.#until) {
      this.#stop();
    }
  }

  /** Loss terms that act on this step. */
  due(step: number): readonly LossTerm[] {
    return this.#active.filter((term): term is LossTerm => term.kind === 'loss' && term.due(step));
  }

  get hasLossTerms(): boolean {
    return this.#active.some((term) => term.kind === 'loss');
  }

  /**
   * The plain gradients with those of the due loss terms added. `plain` and `elsewhere` evaluate the user's loss;
   * `onPlain` sees the plain gradients before anything is added to them.
   */
  gradients(
    terms: readonly LossTerm[],
    evaluate: (f: () => tf.Scalar) => LossGradients,
    f: () => tf.Scalar,
    onPlain: (gradients: tf.NamedTensorMap) => void,
  ): LossGradients {
    let plain: LossGradients | null = null;
    if (this.#plainFirst) {
      plain = evaluate(f);
      onPlain(plain.grads);
    }
    const extras = terms.map((term) => ({ term, grads: this.#elsewhere(term, evaluate, f) }));
    if (!plain) {
      plain = evaluate(f);
      onPlain(plain.grads);
    }
    for (const { term, grads } of extras) {
      addInto(plain.grads, grads, term.strength);
    }
    return plain;
  }

  /** A second evaluation that leaves no trace: what it kept is disposed, what it updated is restored. */
  #elsewhere(
    term: LossTerm,
    evaluate: (f: () => tf.Scalar) => LossGradients,
    f: () => tf.Scalar,
  ): tf.NamedTensorMap {
    const kept: tf.Tensor[] = [];
    const watched = () => {
      // Tensors that tf.keep saves from their scope are still listed in it; the tape's own are gone after the
      // gradients are made, and what is left then is the loss function's (fit keeps one scalar a metric).
      const scope = tf.engine().state.activeScope;
      const before = scope.track.length;
      const cost = f();
      kept.push(...scope.track.slice(before).filter((tensor) => tensor.kept && tensor !== cost));
      return cost;
    };
    const saved = this.#nonTrainable.map((variable) => tf.keep(variable.clone()));
    try {
      const { value, grads } = term.evaluate(() => evaluate(watched));
      value.dispose();
      return grads;
    } finally {
      this.#nonTrainable.forEach((variable, index) => {
        variable.assign(saved[index]);
        saved[index].dispose();
      });
      tf.dispose(kept.filter((tensor) => !tensor.isDisposed));
    }
  }

  /** What the gradient terms add, by variable name; new tensors. Null where no such term is in force. */
  additions(): tf.NamedTensorMap | null {
    const terms = this.#active.filter((term): term is GradientTerm => term.kind === 'gradient');
    if (terms.length === 0) {
      return null;
    }
    return tf.tidy(() => {
      const total: tf.NamedTensorMap = {};
      for (const term of terms) {
        for (const [name, tensor] of Object.entries(term.additions())) {
          total[name] = name in total ? tf.add(total[name], tensor) : tensor;
        }
      }
      return total;
    });
  }

  #stop(): void {
    for (const term of this.#active) {
      term.dispose();
    }
    this.#active = [];
    this.#until = Number.POSITIVE_INFINITY;
  }

  dispose(): void {
    this.#stop();
  }
}

/** target += strength * extra, in place of the map's entries; disposes what it replaces and `extra`. */
function addInto(target: tf.NamedTensorMap, extra: tf.NamedTensorMap, strength: number): void {
  for (const [name, tensor] of Object.entries(extra)) {
    if (tensor == null) {
      continue;
    }
    const old = target[name];
    target[name] = tf.tidy(() => {
      const scaled = tf.mul(tensor, strength);
      return old == null ? scaled : tf.add(old, scaled);
    });
    tf.dispose([tensor, old].filter((t) => t != null));
  }
}
