/** "81.2 %" of 0.812. */
export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

/** "85 %" of 0.85: a number that somebody wrote, without zeros they did not write. */
export function threshold(fraction: number): string {
  return `${Number((fraction * 100).toFixed(4))} %`;
}

/** "1 tick", "5 ticks". */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** "a, b and 3 more". */
export function some(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
