import type { GuardEvent } from '../guard/index.js';

const texts = new WeakMap<GuardEvent, string>();

/** An event as one JSON text; written once, however many clients get it. Never throws. */
export function eventText(event: GuardEvent): string {
  let text = texts.get(event);
  if (text === undefined) {
    text = write(event);
    texts.set(event, text);
  }
  return text;
}

function write(event: GuardEvent): string {
  try {
    return JSON.stringify(event);
  } catch (error) {
    // free-form parts (hello.config, end.summary) can hold cycles or BigInt
    const { run, time, step } = event;
    const alert: GuardEvent = {
      event: 'alert',
      run,
      time,
      step,
      rule: 'server',
      state: 'raised',
      level: 'error',
      title: `A ${event.event} event could not be sent`,
      text: `It can't be written as JSON: ${error instanceof Error ? error.message : String(error)}`,
      evidence: {},
    };
    return JSON.stringify(alert);
  }
}
