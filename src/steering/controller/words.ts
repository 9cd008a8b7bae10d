/** `83.1 %` of a fraction. */
export function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

/** `0.5 points` of a fraction. */
export function points(value: number): string {
  return `${(100 * value).toFixed(1)} points`;
}

/** `82.1 % against 80.4 %`. */
export function between(found: number, expected: number): string {
  return `${percent(found)} against ${percent(expected)}`;
}

/** `82.1 % of the 85.0 % aimed at`, or the accuracy alone where there is no target. */
export function accuracies(measured: number, target: number | null): string {
  return target === null ? percent(measured) : `${percent(measured)}, the target being ${percent(target)}`;
}
