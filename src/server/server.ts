import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Observable } from 'rxjs';
import { type WebSocket, WebSocketServer } from 'ws';
import type { GuardEvent } from '../guard/index.js';
import { keepHeartbeat, VERSION } from '../guard/index.js';
import { PRODUCE_PATH, pathOf, refuseUpgrade, requestHandler, STREAM_PATH } from './http.js';
import { listen, serverUrl } from './listen.js';
import { originProblem } from './origin.js';
import { DEFAULT_LIMITS, Outbox, type OutboxLimits } from './outbox.js';
import { type OpenRun, Producer } from './producer.js';
import { Runs, type Steerable } from './runs.js';
import { listStaticFiles } from './static-files.js';

const SUBSCRIBER_BYTES = 4096;
const PRODUCER_BYTES = 2 ** 24;
/** Pings without any answer before a connection is cut. A training process may be busy for minutes. */
const SUBSCRIBER_ROUNDS = 2;
const PRODUCER_ROUNDS = 10;
/** How long close() waits for runs to end and clients to say goodbye. */
const GRACE_MS = 2000;

export interface ServerOptions {
  /** address to listen on; defaults to 127.0.0.1, which only this machine reaches */
  readonly host?: string;
  /** defaults to 7337; 0 takes any free port */
  readonly port?: number;
  /** what /healthz reports; defaults to the package's version */
  readonly version?: string;
  /** makes the guard of a run in another process; without it /v1/produce takes orders for the runs of this process only */
  readonly openRun?: OpenRun;
  /** what may wait for one slow client */
  readonly limits?: OutboxLimits;
  /** time between two pings, in ms; defaults to 30,000 */
  readonly heartbeatMs?: number;
}

export interface Server {
  /** address of the page, `http://host:port` */
  readonly url: string;
  readonly port: number;
  /** subscribers of /v1/stream */
  readonly clients: number;
  /**
   * Shows a run of this process to all subscribers.
   * @param guard the run's, which orders given by hand go to; without it the run is only shown
   * @throws MergeguardError when one of that name is under way
   */
  attach(run: string, events: Observable<GuardEvent>, guard?: Steerable): void;
  /** Ends the runs of other processes, says goodbye to everybody and frees the port. */
  close(): Promise<void>;
}

/**
 * HTTP and WebSocket on one port: the page at `/`, `/healthz`, `/v1/stream` for subscribers (`?run=ID` for one
 * run only), and `/v1/produce` for training processes elsewhere and for orders given by hand.
 *
 * @throws MergeguardError when the port is in use or the host can't be listened on
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const { host = '127.0.0.1', version = VERSION, openRun = null } = options;
  const { limits = DEFAULT_LIMITS, heartbeatMs = 30_000 } = options;
  const runs = new Runs();
  const outboxes = new Set<Outbox>();
  const producers = new Set<Producer>();
  let droppedByGone = 0;
  let closing: Promise<void> | null = null;

  const health = () => {
    const dropped = [...outboxes].reduce((sum, outbox) => sum + outbox.dropped, droppedByGone);
    const counts = { runs: runs.size, clients: outboxes.size, dropped };
    return { name: 'mergeguard', status: 'ok', version, ...counts } as const;
  };
  const files = await listStaticFiles(new URL('../dashboard/', import.meta.url));
  const http = createServer(requestHandler(files, health));
  // An accept that fails (no file descriptors left) must not end the training that runs beside it.
  http.on('error', () => {});
  const streams = new WebSocketServer({ noServer: true, maxPayload: SUBSCRIBER_BYTES });
  const produced = new WebSocketServer({ noServer: true, maxPayload: PRODUCER_BYTES });

  const subscribe = (socket: WebSocket, request: IncomingMessage) => {
    const outbox = new Outbox(socket, limits);
    const query = new URLSearchParams((request.url ?? '').split('?', 2)[1]);
    outboxes.add(outbox);
    const following = runs.follow(query.get('run'), (event) => outbox.send(event));
    socket.on('close', () => {
      following.unsubscribe();
      outboxes.delete(outbox);
      droppedByGone += outbox.dropped;
    });
    keepHeartbeat(socket, heartbeatMs, SUBSCRIBER_ROUNDS);
  };
  const produce = (socket: WebSocket) => {
    const producer = new Producer(socket, openRun, runs, limits);
    producers.add(producer);
    socket.on('close', () => producers.delete(producer));
    keepHeartbeat(socket, heartbeatMs, PRODUCER_ROUNDS);
  };

  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const path = pathOf(request);
    const problem = originProblem(request.headers.origin, request.headers.host, host);
    if (closing !== null) {
      refuseUpgrade(socket, 503, 'the server is closing');
    } else if (problem !== null) {
      refuseUpgrade(socket, 403, problem);
    } else if (path === STREAM_PATH) {
      streams.handleUpgrade(request, socket, head, (ws) => subscribe(quiet(ws), request));
    } else if (path === PRODUCE_PATH) {
      produced.handleUpgrade(request, socket, head, (ws) => produce(quiet(ws)));
    } else {
      refuseUpgrade(socket, 404, `there is nothing at ${path}`);
    }
  });

  const port = await listen(http, host, options.port ?? 7337);
  const shutDown = async () => {
    const freed = new Promise((resolve) => http.close(resolve));
    await within(
      GRACE_MS,
      Promise.allSettled([...producers].map((each) => each.stop('the server was closed'))),
    );
    runs.close();
    const sockets = [...streams.clients, ...produced.clients];
    const goodbyes = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of sockets) {
      socket.close(1001, 'the server is closing');
    }
    await within(GRACE_MS, Promise.all(goodbyes));
    for (const socket of sockets) {
      socket.terminate();
    }
    http.closeAllConnections();
    await freed;
  };
  return {
    url: serverUrl(host, port),
    port,
    get clients() {
      return outboxes.size;
    },
    attach: (run, events, guard) => runs.attach(run, events, guard),
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}

/** A broken frame or a reset connection closes the socket by itself; without a listener it would throw. */
function quiet(socket: WebSocket): WebSocket {
  return socket.on('error', () => undefined);
}

/** Resolves with the work, or after `ms` at the latest. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
