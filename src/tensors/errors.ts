/**
 * An error that a user can do something about: bad input, a mismatch, a missing file. The message names the
 * thing, both values and the way out. The command line prints it without a stack.
 */
export class MergeguardError extends Error {
  override name = 'MergeguardError';
}

/** "3 tensors do not fit:\n  - ...": every mismatch at once, the list cut at `most`. */
export function listProblems(heading: string, problems: readonly string[], most = 12): string {
  const shown = problems.slice(0, most).map((problem) => `  - ${problem}`);
  if (problems.length > most) {
    shown.push(`  - and ${problems.length - most} more`);
  }
  return [heading, ...shown].join('\n');
}

/** All problems, of which there is one at least, in one error: one is its own message, several stand below the heading. */
export function problemsOf(heading: string, problems: readonly string[]): MergeguardError {
  // the lines of a problem that is a list itself stay below it
  const indented = problems.map((problem) => problem.replaceAll('\n', '\n  '));
  return new MergeguardError(problems.length === 1 ? problems[0]! : listProblems(heading, indented));
}

/** "a, b and 3 more": all of up to `most` names, else one fewer and how many are left. */
export function someOf(names: readonly string[], most: number): string {
  return names.length > most
    ? `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`
    : names.join(', ');
}

const FILE_PROBLEMS: Record<string, string> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
};

/** Why a file can't be read, without the system's shorthand where the reason is a common one. */
export function fileProblem(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return FILE_PROBLEMS[code ?? ''] ?? messageOf(error);
}

/** What somebody threw, as text; anything may be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
