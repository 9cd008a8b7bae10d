import { SingleBar } from 'cli-progress';

/** A progress bar in place, for a command that ends on signals itself and closes the bar then. */
export function barOn(stream: NodeJS.WritableStream, format: string): SingleBar {
  return new SingleBar({
    format,
    stream,
    hideCursor: true,
    barsize: 24,
    clearOnComplete: true,
    gracefulExit: false,
  });
}
