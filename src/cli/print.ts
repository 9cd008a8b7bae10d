/** Lines on standard output. A reader that has seen enough, such as `head`, is no failure. */
export function print(lines: readonly string[]): void {
  process.stdout.on('error', () => undefined);
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** A line on standard error. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
