import { tell } from './print.js';

/** The work was told to stop before its end. */
class Stopped extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Does work that the first Ctrl-C or SIGTERM aborts, by its signal; that is told, and the exit code is then 128 and the
 * signal's number. The second one kills as ever.
 *
 * @param unwritten files that there will not be then
 */
export async function untilStopped(
  unwritten: readonly string[],
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const lost =
    unwritten.length === 0
      ? ''
      : `; ${unwritten.join(' and ')} ${unwritten.length === 1 ? 'was' : 'were'} not written`;
  const stop = (name: string, exitCode: number) => () =>
    controller.abort(new Stopped(`stopped by ${name}${lost}`, exitCode));
  const interrupt = stop('SIGINT', 130);
  const terminate = stop('SIGTERM', 143);
  process.once('SIGINT', interrupt).once('SIGTERM', terminate);
  try {
    await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) {
      throw error;
    }
    // What was left undone because of it is no failure of the work.
    const { message, exitCode } = controller.signal.reason as Stopped;
    tell(`mergeguard: ${message}`);
    process.exitCode = exitCode;
  } finally {
    process.removeListener('SIGINT', interrupt).removeListener('SIGTERM', terminate);
  }
}
