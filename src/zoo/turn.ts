/** One turn of the event loop: a server in this process stays alive between pieces of work. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
