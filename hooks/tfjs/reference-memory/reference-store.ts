import type { TickEvent } from '../../../src/guard/index.js';
import type { Reference } from '../../../src/reference/index.js';
import { tauOf } from '../../../src/reference/index.js';
import type { HostTensor } from '../../../src/tensors/index.js';
import type { FlatLayout } from '../flat-layout.js';
import { inVariableLayout, type SharedTensor } from '../layout.js';
import { ReferenceVectors } from '../reference-vectors.js';
import { Residence } from './residence.js';

/** One reference's. */
export interface StoredReference {
  readonly tau: ReferenceVectors;
  /** null where gradients are not compared */
  readonly gradient: ReferenceVectors | null;
}

/**
 * Task vectors and gradients of the references, on the device as far as its budget goes, else in main memory. What is to lie
 * on the device is brought there by the tick that needs it.
 */
export class ReferenceStore {
  /** [R] */
  readonly parts: readonly StoredReference[];
  /** bytes of each, [R] */
  readonly sizes: readonly number[];
  readonly #names: readonly string[];
  readonly #residence: Residence;

  /** @param options `budget`: bytes of the device that may be taken; `hasGradients`: whether gradients are compared */
  constructor(
    layout: FlatLayout,
    references: readonly Reference[],
    options: { budget: number; hasGradients: boolean },
  ) {
    const vectors = (value: (tensor: SharedTensor) => HostTensor | null) =>
      new ReferenceVectors(layout, (t) => {
        const tensor = layout.tensors[t];
        const found = value(tensor);
        return found && inVariableLayout(tensor, found);
      });
    this.parts = references.map((reference) => {
      const { gradient } = reference;
      return {
        tau: vectors((tensor) => tauOf(reference, tensor)),
        gradient:
          gradient && options.hasGradients ? vectors((tensor) => gradient.get(tensor.name) ?? null) : null,
      };
    });
    this.#names = references.map(({ name }) => name);
    this.sizes = this.parts.map(({ tau, gradient }) => tau.bytes + (gradient?.bytes ?? 0));
    this.#residence = new Residence(this.sizes, options.budget);
  }

  /** See Residence. */
  get residence(): Pick<Residence, 'residents' | 'period' | 'most'> {
    return this.#residence;
  }

  /** Those with the lowest scores, by any method, are to lie on the device; see Residence. */
  follow(pairs: TickEvent['pairs']): void {
    const scores = new Map(pairs.map(({ reference, scores }) => [reference, lowest(scores)]));
    this.#residence.score(this.#names.map((name) => scores.get(name) ?? null));
  }

  /**
   * What a tick is to compare, in parts one after the other, with those on the device that belong there: all, or those there and
   * whose turn it is. @throws what the backend throws where it has no room
   */
  take(isWhole: boolean): readonly (readonly number[])[] {
    this.#bring();
    return isWhole ? this.#residence.all() : [this.#residence.next()];
  }

  #bring(): void {
    const { residents } = this.#residence;
    // What goes first makes room for what comes.
    this.parts.forEach(({ tau, gradient }, r) => {
      if (!residents.includes(r)) {
        tau.unload();
        gradient?.unload();
      }
    });
    for (const r of residents) {
      this.parts[r].tau.load();
      this.parts[r].gradient?.load();
    }
  }

  /** Gives all of the device's memory back, and takes about half of it from now on. False where that can't be less. */
  retreat(): boolean {
    this.#unload();
    return this.#residence.retreat();
  }

  #unload(): void {
    for (const { tau, gradient } of this.parts) {
      tau.unload();
      gradient?.unload();
    }
  }

  dispose(): void {
    for (const { tau, gradient } of this.parts) {
      tau.dispose();
      gradient?.dispose();
    }
  }
}

function lowest(scores: TickEvent['pairs'][number]['scores']): number | null {
  const known = scores.map(({ value }) => value).filter((value) => value !== null);
  return known.length > 0 ? Math.min(...known) : null;
}
