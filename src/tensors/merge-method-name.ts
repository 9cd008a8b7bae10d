/** Names that published tables use for merge methods, and ours. */
const ALIASES: ReadonlyMap<string, string> = new Map([['arithmetic', 'task_arithmetic']]);

/** The merge method that is called so: tables say `arithmetic` for `task_arithmetic`. */
export function methodCalled(name: string): string {
  return ALIASES.get(name) ?? name;
}

/** Other names of a merge method. */
export function aliasesOf(method: string): string[] {
  return [...ALIASES].filter(([, canonical]) => canonical === method).map(([alias]) => alias);
}
