import type { Server as HttpServer, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { App } from './context.ts';
import type { Draining } from './draining.ts';

export interface Closing {
  readonly app: App;
  /** From `trackUnused`. */
  readonly unused: () => Iterable<Socket>;
  readonly draining: Draining;
  /** How long everything goes on as before, milliseconds. It should be long enough for the load balancer to notice. */
  readonly delayMs: number;
  /** How long a connection that was idle all the time may still send a request, milliseconds. */
  readonly graceMs: number;
  /** How long requests in progress, and then `drain`, may take; milliseconds. */
  readonly patienceMs: number;
  /** Stops the parts behind the routes. From then on submits are refused. */
  readonly drain: (patienceMs: number) => Promise<void>;
}

/**
 * How long a gateway behind a load balancer keeps idle connections during a stop. Longer than the balancer keeps them (4 s in
 * deploy/nginx.conf), so that the balancer closes them first. Milliseconds.
 */
export const IDLE_GRACE_MS = 5000;
/** A turn of the event loop this short did almost nothing. Milliseconds. */
const SHORT_TURN_MS = 0.1;
/** How long to wait for such a turn. Milliseconds. */
const QUIET_WITHIN_MS = 2000;
/** How long a client that has sent a part of a request may take for the rest of its head. Milliseconds. */
const HALF_SENT_MS = 2000;
/** How often connections that became idle at the end of a stop are closed. Milliseconds. */
const SWEEP_MS = 50;

/**
 * Stops a server without failing a request. It first reports "not ready" but goes on serving, then accepts no new connections.
 * It closes the remaining connections once their clients have been told or have been idle for a while.
 */
export async function shutDown(closing: Closing): Promise<void> {
  const { app, unused, draining, delayMs, graceMs, patienceMs, drain } = closing;
  draining.begin();
  // Without a delay there is no other node that could take over the requests, so waiting gains nothing.
  if (delayMs > 0) await pause(delayMs);
  draining.release();
  await quietTurn(app.server);
  const gone = stopListening(app.server);
  if (delayMs > 0) await within(gone, Math.min(graceMs, patienceMs));

  const drained = drain(patienceMs);
  const began = performance.now();
  const closeIdle = () => {
    app.server.closeIdleConnections();
    const isLate = performance.now() - began > HALF_SENT_MS;
    for (const socket of unused()) if (isLate || socket.bytesRead === 0) socket.destroy();
  };
  closeIdle();
  const sweep = setInterval(closeIdle, SWEEP_MS);
  try {
    // A download that takes longer than the configured timeout is cut off; its client can resume it with `Range`.
    if (!(await within(gone, patienceMs))) app.server.closeAllConnections();
  } finally {
    clearInterval(sweep);
  }
  await app.close();
  await drained;
}

/** Node stores the answer in progress of a connection in this property, and reads it for the same purpose. */
export type AnsweringSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

/**
 * Returns a function that lists the connections that a server accepted from now on and that have no request in progress. Browsers and connection pools open some ahead, and
 * `closeIdleConnections` of Node takes them for busy, as it does those with half a request: each would hold up a stop for as long as a
 * request may take.
 */
export function trackUnused(server: HttpServer): () => Iterable<Socket> {
  const connections = new Set<AnsweringSocket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  // Asked of Node at the stop, because counting the requests of each connection would take time of every query.
  return () => [...connections].filter(({ _httpMessage }) => !_httpMessage);
}

/**
 * Resolves when no connection waits to be accepted. The operating system queues new connections, and Node accepts one per turn
 * of the event loop; those still in the queue are reset when the listener closes. A load balancer that has not noticed the stop
 * opens many, because every answer closes one.
 */
async function quietTurn(server: HttpServer): Promise<void> {
  let accepted = 0;
  const count = () => {
    accepted += 1;
  };
  server.on('connection', count);
  const started = performance.now();
  for (let turn = started; turn - started < QUIET_WITHIN_MS; ) {
    const before = accepted;
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    // No connection was waiting when this turn began, and it was too short for many to have arrived since. The threshold grows
    // with the time spent waiting.
    if (accepted === before && now - turn < SHORT_TURN_MS + (now - started) / 1000) break;
    turn = now;
  }
  server.off('connection', count);
}

/**
 * Accepts no new connections; resolves when the last one has ended. This calls `close` of `net.Server`, because that of
 * `http.Server` also resets idle connections, and with them requests that are already on their way.
 */
function stopListening(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether the promise resolves within the time. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
