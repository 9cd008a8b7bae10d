import * as tf from '@tensorflow/tfjs';
import {
  type GradientTerm,
  type LossGradients,
  type LossTerm,
  type SteeringContext,
  TERMS,
  type Term,
} from '../../src/steering/index.js';
import type { FailOpen } from './fail-open.js';
import { leaveNoTrace } from './leave-no-trace.js';

/** Terms as a `steer` event names them. */
export interface SteeringOrder {
  readonly terms: readonly { term: string; strength: number; parameters: Record<string, unknown> }[];
  /** steps after which they end unless renewed; null: until the next order */
  readonly lifetimeSteps: number | null;
}

/** One call of `computeGradients`, as it comes to the terms. */
export interface SteeredStep {
  /** the user's loss */
  readonly loss: () => tf.Scalar;
  /** evaluates the user's loss where the weights are */
  plain(): LossGradients;
  /** evaluates a loss at weights that a term has moved */
  elsewhere(loss: () => tf.Scalar): LossGradients;
}

export interface SteeringSeamsOptions {
  readonly context: SteeringContext;
  /** variables that a forward pass may update (BatchNorm), restored after a second evaluation */
  readonly nonTrainable: readonly tf.Variable[];
  /**
   * `LayersModel.fit` logs the metrics of whichever evaluation came first; a loop of one's own keeps what the last
   * one left
   */
  readonly plainFirst: boolean;
}

/** For an alert. */
export interface SteeringWarning {
  readonly title: string;
  readonly text: string;
}

interface AtWork<T extends Term = Term> {
  readonly term: T;
  readonly failOpen: FailOpen;
}

/** The regularisation terms in force, and the two places where they act. A term that fails is left out. */
export class SteeringSeams {
  readonly #options: SteeringSeamsOptions;
  readonly #failOpen: (part: string) => FailOpen;
  #active: AtWork[] = [];
  #until = Number.POSITIVE_INFINITY;

  constructor(options: SteeringSeamsOptions, failOpen: (part: string) => FailOpen) {
    this.#options = options;
    this.#failOpen = failOpen;
  }

  /**
   * Replaces the terms in force from `step` on.
   * @returns what can't be followed, or not on every tensor
   */
  follow(order: SteeringOrder, step: number): SteeringWarning[] {
    this.#stop();
    const { context } = this.#options;
    const warnings: SteeringWarning[] = [];
    const refuse = (text: string) => warnings.push({ title: 'A steering term can not be followed', text });
    for (const { term: name, strength, parameters } of order.terms) {
      const info = TERMS.find((candidate) => candidate.name === name);
      if (!info) {
        refuse(`unknown term ${name}; known are ${TERMS.map((term) => term.name).join(', ')}`);
      } else if (info.needs.includes('references') && context.rightSubspaces.length === 0) {
        refuse(`${name} needs references, and there are none; scale_jitter works without`);
      } else {
        try {
          const term = info.start({ ...parameters, strength }, context);
          this.#active.push({ term, failOpen: this.#failOpen(`The term ${name}`) });
          if (term.kind === 'gradient' && term.leavesOut !== null) {
            warnings.push({ title: 'A steering term acts on a part of the model', text: term.leavesOut });
          }
        } catch (error) {
          refuse(`${name}: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
    this.#until = order.lifetimeSteps === null ? Number.POSITIVE_INFINITY : step + order.lifetimeSteps;
    return warnings;
  }

  /** Ends terms whose lifetime is over. */
  expire(step: number): void {
    if (step >= this.#until) {
      this.#stop();
    }
  }

  /** Loss terms that act on this step. */
  due(step: number): readonly AtWork<LossTerm>[] {
    return this.#active.filter(isLossTerm).filter(({ term, failOpen }) => !failOpen.off && term.due(step));
  }

  get hasLossTerms(): boolean {
    return this.#active.some(isLossTerm);
  }

  /** The plain gradients with those of the due loss terms added. */
  gradients(due: readonly AtWork<LossTerm>[], step: SteeredStep): LossGradients {
    const first = this.#options.plainFirst ? step.plain() : null;
    const extras = due.map(({ term, failOpen }) => ({
      strength: term.strength,
      grads: failOpen.run(() => this.#elsewhere(term, step)),
    }));
    const plain = first ?? step.plain();
    for (const { strength, grads } of extras) {
      if (grads) {
        addInto(plain.grads, grads, strength);
      }
    }
    return plain;
  }

  #elsewhere(term: LossTerm, { elsewhere, loss }: SteeredStep): tf.NamedTensorMap {
    return leaveNoTrace(this.#options.nonTrainable, (watch) => {
      const { value, grads } = term.evaluate(() => elsewhere(() => watch(loss)));
      value.dispose();
      return grads;
    });
  }

  /** What the gradient terms add, by variable name; new tensors. Null where no such term is in force. */
  additions(): tf.NamedTensorMap | null {
    const terms = this.#active.filter(isGradientTerm).filter(({ failOpen }) => !failOpen.off);
    if (terms.length === 0) {
      return null;
    }
    return tf.tidy(() => {
      const total: tf.NamedTensorMap = {};
      for (const { term, failOpen } of terms) {
        const additions = failOpen.run(() => term.additions()) ?? {};
        for (const [name, tensor] of Object.entries(additions)) {
          total[name] = Object.hasOwn(total, name) ? tf.add(total[name], tensor) : tensor;
        }
      }
      return total;
    });
  }

  #stop(): void {
    for (const { term } of this.#active) {
      term.dispose();
    }
    this.#active = [];
    this.#until = Number.POSITIVE_INFINITY;
  }

  dispose(): void {
    this.#stop();
  }
}

function isLossTerm(atWork: AtWork): atWork is AtWork<LossTerm> {
  return atWork.term.kind === 'loss';
}

function isGradientTerm(atWork: AtWork): atWork is AtWork<GradientTerm> {
  return atWork.term.kind === 'gradient';
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
