import {
  checkTerm,
  fadeFactor,
  type GradientTerm,
  type LossTerm,
  type SteeringContext,
  type Term,
  type TermInfo,
} from '../../../src/steering/index.js';
import { messageOf } from '../../../src/tensors/errors.js';
import { listProblems, MergeguardError } from '../../../src/tensors/index.js';
import type { FailOpen } from '../fail-open.js';
import { unmetNeeds } from './needs.js';
import type { SteeringWarning } from './warning.js';

/** Terms as a `steer` event names them: all that are to be in force. */
export interface SteeringOrder {
  readonly terms: readonly { term: string; strength: number; parameters: Record<string, unknown> }[];
  /** steps after which they end unless renewed, fading over the last third; null: until the next order */
  readonly lifetimeSteps: number | null;
  /** step from which it is followed; absent, or past: at once */
  readonly fromStep?: number;
}

/** A term in force. */
export interface TermAtWork<T extends Term = Term> {
  readonly name: string;
  readonly term: T;
  /** of this step, not 0 */
  readonly strength: number;
  readonly failOpen: FailOpen;
}

interface Started {
  readonly info: TermInfo;
  /** terms with the same go on as one when an order is renewed */
  readonly key: string;
  readonly term: Term;
  readonly failOpen: FailOpen;
  /** as ordered */
  strength: number;
}

export interface OrdersParts {
  readonly context: SteeringContext;
  readonly failOpen: (part: string) => FailOpen;
  readonly warn: (warning: SteeringWarning) => void;
}

/** Follows orders from the step on that they name, and lets them fade. */
export class Orders {
  readonly #parts: OrdersParts;
  readonly #told = new Set<string>();
  /** in the order of their steps */
  #waiting: { readonly order: SteeringOrder; readonly from: number }[] = [];
  #started: Started[] = [];
  #began = 0;
  #lifetime: number | null = null;

  constructor(parts: OrdersParts) {
    this.#parts = parts;
  }

  /** From its step on the order replaces all that came before. @param step the first on which it may act */
  follow(order: SteeringOrder, step: number): void {
    const from = Math.max(order.fromStep ?? step, step);
    this.#waiting = [...this.#waiting.filter((other) => other.from < from), { order, from }];
  }

  /** The terms in force on a step. */
  at(step: number): TermAtWork[] {
    const latest = this.#waiting.filter(({ from }) => from <= step).at(-1);
    if (latest) {
      this.#waiting = this.#waiting.filter(({ from }) => from > step);
      this.#begin(latest.order, step);
    }
    const fade = fadeFactor(step - this.#began, this.#lifetime);
    if (fade === 0) {
      this.#stop(this.#started);
      this.#started = [];
    }
    return this.#started
      .map(({ info, term, failOpen, strength }) => ({
        name: info.name,
        term,
        failOpen,
        strength: strength * fade,
      }))
      .filter(({ strength, failOpen }) => strength > 0 && !failOpen.off);
  }

  #begin({ terms, lifetimeSteps }: SteeringOrder, step: number): void {
    const before = [...this.#started];
    const problems: string[] = [];
    this.#started = terms.flatMap(({ term: name, strength, parameters }) => {
      try {
        const { info, options } = checkTerm(name, { ...parameters, strength });
        const key = keyOf(name, options);
        const index = before.findIndex((other) => other.key === key);
        if (index >= 0) {
          const [kept] = before.splice(index, 1);
          kept.strength = strength;
          return [kept];
        }
        return [this.#start(info, options, key, strength)];
      } catch (error) {
        problems.push(messageOf(error));
        return [];
      }
    });
    this.#stop(before);
    this.#began = step;
    this.#lifetime = lifetimeSteps;
    this.#tellProblems(problems);
  }

  /** @throws MergeguardError for needs that are not met, and what the term throws */
  #start(info: TermInfo, options: Record<string, unknown>, key: string, strength: number): Started {
    const { context, failOpen } = this.#parts;
    const unmet = unmetNeeds(info, context);
    if (unmet !== null) {
      throw new MergeguardError(unmet);
    }
    let term: Term;
    try {
      term = info.start(options, context);
    } catch (error) {
      throw new MergeguardError(`${info.name}: ${messageOf(error)}`);
    }
    if (term.kind === 'gradient' && term.leavesOut !== null) {
      this.#tell('A steering term acts on a part of the model', term.leavesOut);
    }
    if (term.kind === 'gradient' && term.actsOn !== null) {
      this.#tell('What a steering term acts on', term.actsOn, 'info');
    }
    return { info, key, term, failOpen: failOpen(`The term ${info.name}`), strength };
  }

  /** Renewed orders repeat their problems, which are told once. */
  #tellProblems(problems: readonly string[]): void {
    if (problems.length === 1) {
      this.#tell('A steering term can not be followed', problems[0]);
    } else if (problems.length > 1) {
      this.#tell('Steering terms can not be followed', listProblems(`${problems.length} terms:`, problems));
    }
  }

  #tell(title: string, text: string, level: SteeringWarning['level'] = 'warning'): void {
    if (!this.#told.has(text)) {
      this.#told.add(text);
      this.#parts.warn({ title, text, level, evidence: {} });
    }
  }

  #stop(terms: readonly Started[]): void {
    for (const { term } of terms) {
      term.dispose();
    }
  }

  dispose(): void {
    this.#stop(this.#started);
    this.#started = [];
    this.#waiting = [];
  }
}

function keyOf(name: string, { strength, ...parameters }: Record<string, unknown>): string {
  return JSON.stringify([name, parameters]);
}

export function isLossTerm(atWork: TermAtWork): atWork is TermAtWork<LossTerm> {
  return atWork.term.kind === 'loss';
}

export function isGradientTerm(atWork: TermAtWork): atWork is TermAtWork<GradientTerm> {
  return atWork.term.kind === 'gradient';
}
