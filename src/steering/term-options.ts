import { z } from 'zod';
import { problemsOf } from '../tensors/errors.js';
import { optionProblems } from '../tensors/option-problems.js';

/**
 * A term's options as its schema has them, defaults filled in.
 * @throws MergeguardError naming every parameter that is unknown (with the nearest known one) or out of range
 */
export function termOptions<Schema extends z.ZodObject>(
  name: string,
  parameters: Schema,
  options: Readonly<Record<string, unknown>>,
): z.output<Schema> {
  const read = parameters.safeParse(options, { reportInput: true });
  if (read.success) {
    return read.data;
  }
  const schema = { properties: { [name]: z.toJSONSchema(parameters, { io: 'input' }) } };
  const issues = read.error.issues.map((issue) => ({ ...issue, path: [name, ...issue.path] }));
  const problems = optionProblems(issues, schema).map(({ text }) => text);
  throw problemsOf(`parameters of the term ${name}:`, problems);
}

/** For `superRefine` of terms that draw a number between two bounds. */
export function checkBounds({ low, high }: { low: number; high: number }, context: z.RefinementCtx): void {
  if (high < low) {
    const message = `is ${high}, but must be at least low (${low})`;
    context.addIssue({ code: 'custom', path: ['high'], message });
  }
}
