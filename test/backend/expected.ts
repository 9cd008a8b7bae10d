import type { Array64 } from './float64.js';
import type { Network } from './network.js';

export const LEARNING_RATE = 0.05;
/** Large, so that the step stays a smooth function of small gradients: with 1e-7 it is their sign. */
export const ADAM = { beta1: 0.8, beta2: 0.9, epsilon: 0.1, steps: 2 };

export interface Expected {
  readonly loss: number;
  readonly gradients: readonly Array64[];
  readonly afterSgd: readonly Array64[];
  readonly afterAdam: readonly Array64[];
}

const known = new WeakMap<Network, Expected>();

/** Loss, gradients and optimiser steps from these weights in float64; the same for every backend. */
export function expected(network: Network, start: readonly Array64[]): Expected {
  let found = known.get(network);
  if (!found) {
    const gradients = finiteDifferences(network, start);
    found = {
      loss: network.hostLoss(start),
      gradients,
      afterSgd: start.map((value, index) => move(value, gradients[index], LEARNING_RATE)),
      afterAdam: adam(network, start, gradients),
    };
    known.set(network, found);
  }
  return found;
}

/** Central differences; in float64 their error is about 1e-10. */
function finiteDifferences(network: Network, parameters: readonly Array64[]): Array64[] {
  const step = 1e-5;
  const moved = parameters.map(({ shape, data }) => ({ shape, data: data.slice() }));
  return moved.map(({ shape, data }) => ({
    shape,
    data: data.map((value, index) => {
      data[index] = value + step;
      const above = network.hostLoss(moved);
      data[index] = value - step;
      const below = network.hostLoss(moved);
      data[index] = value;
      return (above - below) / (2 * step);
    }),
  }));
}

function adam(network: Network, start: readonly Array64[], first: readonly Array64[]): Array64[] {
  const { beta1, beta2, epsilon, steps } = ADAM;
  const means = start.map(({ data }) => new Float64Array(data.length));
  const squares = start.map(({ data }) => new Float64Array(data.length));
  let at = [...start];
  for (let step = 1; step <= steps; step++) {
    const gradients = step === 1 ? first : finiteDifferences(network, at);
    at = at.map((value, index) => {
      const direction = gradients[index].data.map((gradient, i) => {
        means[index][i] = beta1 * means[index][i] + (1 - beta1) * gradient;
        squares[index][i] = beta2 * squares[index][i] + (1 - beta2) * gradient ** 2;
        const mean = means[index][i] / (1 - beta1 ** step);
        return mean / (Math.sqrt(squares[index][i] / (1 - beta2 ** step)) + epsilon);
      });
      return move(value, { shape: value.shape, data: direction }, LEARNING_RATE);
    });
  }
  return at;
}

function move(value: Array64, direction: Array64, rate: number): Array64 {
  return { shape: value.shape, data: value.data.map((entry, i) => entry - rate * direction.data[i]) };
}
