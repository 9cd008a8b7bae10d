import { RARELY } from '../../steering/controller/index.js';
import { type TermInfo, termNamed, WORKS_WITHOUT } from '../../steering/index.js';
import { MergeguardError } from '../../tensors/errors.js';
import { type GuardConfig, optionsOf } from '../config-schema.js';
import type { SteerEvent } from '../events.js';

/** What a run has for terms, and lacks. */
export interface RunLimits {
  /** how many there are */
  readonly references: number;
  /** by name: terms that the hook can not follow, and why, a sentence each */
  readonly unmet: Readonly<Record<string, string>>;
}

interface Controlled {
  readonly info: TermInfo;
  /** without the strength */
  readonly parameters: Record<string, unknown>;
  /** acts more rarely where the terms together cost too much */
  readonly canBeStretched: boolean;
}

/** The terms that a controller moves, and how often they act: as often as asked for, or more rarely to stay within its budget. */
export class ControlledTerms {
  readonly #terms: readonly Controlled[];

  /** @throws MergeguardError for a term that this run can not have, or that costs too much however rarely it acts */
  constructor(config: GuardConfig, limits: RunLimits) {
    const { terms, costBudget } = config.steering.controller;
    const asked = [...new Set(terms)].map((name) => {
      const info = termNamed(name);
      checkNeeds(info, limits);
      const { strength: _, ...parameters } = optionsOf(config, name);
      return { info, parameters, isCostly: costOf(info, parameters) > 0 };
    });
    // Terms in place evaluate nothing more: they leave the budget to those that do, and act as often as they were asked to.
    const costly = asked.filter(({ isCostly }) => isCostly).length;
    this.#terms = asked.map(({ info, parameters, isCostly }) => ({
      info,
      parameters: isCostly ? affordable(info, parameters, costBudget / costly) : parameters,
      canBeStretched: typeof parameters.every === 'number' && (isCostly || costly === 0),
    }));
  }

  /** Names of those that act more rarely with a stretch above 1. */
  get stretchable(): string[] {
    return this.#terms.filter(({ canBeStretched }) => canBeStretched).map(({ info }) => info.name);
  }

  /** @param level 0 to 1, 1 being the default strength of each; @param stretch from 1 */
  at(level: number, stretch: number): SteerEvent['terms'] {
    if (level === 0) {
      return [];
    }
    return this.#terms.map(({ info, parameters, canBeStretched }) => ({
      term: info.name,
      strength: level * info.defaultStrength,
      parameters: canBeStretched
        ? { ...parameters, every: Math.ceil(Number(parameters.every) * stretch) }
        : parameters,
    }));
  }
}

/** @throws MergeguardError where the run can not have the term */
export function checkNeeds(info: TermInfo, { references, unmet }: RunLimits): void {
  if (references === 0 && info.needs.includes('references')) {
    throw new MergeguardError(`${info.name} needs references, and this run has none; ${WORKS_WITHOUT}`);
  }
  if (Object.hasOwn(unmet, info.name)) {
    throw new MergeguardError(unmet[info.name]!);
  }
}

/** Gradient evaluations that a step costs more. */
function costOf(info: TermInfo, parameters: Record<string, unknown>): number {
  return info.gradientEvaluations({ ...parameters, strength: info.defaultStrength });
}

/** The parameters with `every` raised until the term costs no more than this share of a step, a gradient evaluation being one. */
function affordable(
  info: TermInfo,
  parameters: Record<string, unknown>,
  budget: number,
): Record<string, unknown> {
  let every = typeof parameters.every === 'number' ? parameters.every : 1;
  let found = parameters;
  // A term that evaluates more can act more rarely.
  while (costOf(info, found) > budget && every < RARELY) {
    every += 1;
    found = { ...parameters, every };
  }
  if (costOf(info, found) > budget) {
    throw new MergeguardError(
      `steering.controller: ${info.name} costs ${costOf(info, found).toPrecision(2)} of a step even on every ${RARELY}th, above the ${budget.toPrecision(2)} that costBudget leaves it`,
    );
  }
  return found;
}
