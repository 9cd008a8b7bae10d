/** First parts of the names of task heads, unless the user gives others. */
export const DEFAULT_HEADS: readonly string[] = ['head', 'heads', 'classifier', 'lm_head', 'logits'];

/** Whether a tensor belongs to one of the heads: its name is one of them, or starts with one. */
export function isHead(name: string, heads: readonly string[]): boolean {
  return heads.some((head) => name === head || name.startsWith(`${head}.`));
}

/** Whether a tensor is one of BatchNorm's running statistics, by canonical name. */
export function isRunningStatistic(name: string): boolean {
  return /(^|\.)running_(mean|var)$/.test(name);
}
