import { z } from 'zod';
import { PARTS } from '../metrics/pair-statistics.js';
import { listProblems, MergeguardError } from '../tensors/index.js';
import { alertSchema, endSchema, helloSchema, PROTOCOL, probeSchema, progressSchema } from './events.js';

/**
 * What is sent to /v1/produce as JSON text. A training process: first `open`, then events that it makes itself, at last `close`.
 * Observations go as binary messages (wire.ts). The server answers with the run's events, and with `error` before it
 * closes the connection for a wrong message. Who steers a run by hand: `steer`, answered with `steered` or `error`.
 */
const { run, backend, backendDescription, references, coverage } = helloSchema.shape;
const protocol = z.literal(PROTOCOL, {
  error: ({ input }) =>
    `this server speaks protocol ${PROTOCOL}, the other side ${JSON.stringify(input) ?? 'names none'}; install the same version of mergeguard on both sides`,
});

/** Of a term, and parameters of one: more than there are. */
const MOST_TERMS = 32;
const MOST_PARAMETERS = 32;
const LONGEST_NAME = 100;
/** Characters of one problem that are told back: names and values in it are the sender's. */
const LONGEST_PROBLEM = 500;

export const openSchema = z.strictObject({
  type: z.literal('open'),
  protocol,
  setup: z.strictObject({
    run: run.min(1),
    backend,
    backendDescription,
    references,
    coverage,
    unmeasured: z.partialRecord(z.enum(PARTS), z.string()).optional(),
    unmet: z.record(z.string().max(LONGEST_NAME), z.string().max(LONGEST_PROBLEM)).optional(),
    gradientKind: z.enum(['ema', 'calibration']).optional(),
  }),
  /** guard options by path, as in guard.yaml; what is absent is set by the server */
  config: z.record(z.string(), z.unknown()),
});

/** Bytes of a `steer` message: a hundred times what an order with every term and parameter has. */
const LARGEST_ORDER = 2 ** 16;

/** An order given by hand. What it says of terms is checked by the run's guard, where terms are known. */
export const steerMessageSchema = z.strictObject({
  type: z.literal('steer'),
  protocol,
  run: run.min(1),
  /** all that are to be in force; none: no steering */
  terms: z
    .array(
      z.strictObject({
        term: z.string().max(LONGEST_NAME),
        strength: z.number(),
        parameters: z
          .record(z.string().max(LONGEST_NAME), z.unknown())
          .refine((given) => Object.keys(given).length <= MOST_PARAMETERS, `more than ${MOST_PARAMETERS}`)
          .optional(),
      }),
    )
    .max(MOST_TERMS),
  lifetimeSteps: z.number().int().min(1).optional(),
  reason: z.string().min(1).max(500).optional(),
});

/** The answer to `steer`: the order is in the run's stream; the step is that of the run's last event. */
export const steeredSchema = z.object({
  type: z.literal('steered'),
  run: z.string(),
  step: z.number().int().nonnegative(),
});

export const closeSchema = z.strictObject({
  type: z.literal('close'),
  status: endSchema.shape.status,
  summary: endSchema.shape.summary.default({}),
  reason: endSchema.shape.reason,
});

/** The other events are the guard's own to make. */
const publishedSchema = z.discriminatedUnion('event', [progressSchema, probeSchema, alertSchema]);

export const errorSchema = z.object({ type: z.literal('error'), message: z.string() });

export type OpenMessage = z.infer<typeof openSchema>;
export type SteerMessage = z.infer<typeof steerMessageSchema>;
export type CloseMessage = z.infer<typeof closeSchema>;
export type PublishedEvent = z.infer<typeof publishedSchema>;

/** @throws MergeguardError when the first message is neither a valid `open` nor a valid `steer` */
export function parseFirstMessage(bytes: Uint8Array, isBinary: boolean): OpenMessage | SteerMessage {
  if (isBinary) {
    throw new MergeguardError(
      'the first message must be the JSON text of type "open" or "steer", not a binary one',
    );
  }
  const value = parseJson(new TextDecoder().decode(bytes));
  const { type } = (value ?? {}) as { type?: unknown };
  if (type === 'open') {
    return check(openSchema, value, 'the message "open"');
  }
  if (type !== 'steer') {
    throw new MergeguardError(
      `the type of the first message is ${shortened(JSON.stringify(type) ?? 'missing')}, but must be "open" (a training run) or "steer" (an order by hand)`,
    );
  }
  if (bytes.length > LARGEST_ORDER) {
    throw new MergeguardError(
      `the message "steer" has ${bytes.length} bytes, but may have ${LARGEST_ORDER}; name the terms that are to be in force, each once`,
    );
  }
  return check(steerMessageSchema, value, 'the message "steer"');
}

/** @throws MergeguardError when it is neither `close` nor an event of this run that a producer may publish */
export function parseProducerMessage(text: string, runName: string): PublishedEvent | CloseMessage {
  const value = parseJson(text);
  if (typeof value === 'object' && value !== null && 'event' in value) {
    const event = check(publishedSchema, value, 'the event');
    if (event.run !== runName) {
      throw new MergeguardError(`this connection is of run "${runName}", the event of run "${event.run}"`);
    }
    return event;
  }
  return check(closeSchema, value, 'the message "close"');
}

export function isPublished(event: { readonly event: string }): boolean {
  return publishedSchema.options.some((option) => option.shape.event.value === event.event);
}

/** The value in the schema's form. @throws MergeguardError with every problem */
export function check<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) =>
      shortened(path.length > 0 ? `${path.join('.')}: ${message}` : message),
    );
    throw new MergeguardError(listProblems(`${what} is wrong:`, problems));
  }
  return result.data;
}

function shortened(problem: string): string {
  return problem.length > LONGEST_PROBLEM ? `${problem.slice(0, LONGEST_PROBLEM)}...` : problem;
}

/** @throws MergeguardError */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MergeguardError(`a text message is not JSON: ${(error as Error).message}`);
  }
}
