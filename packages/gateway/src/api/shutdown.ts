import type { Server as HttpServer } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { App } from './context.ts';
import type { Draining } from './draining.ts';

export interface Closing {
  readonly app: App;
  readonly draining: Draining;
  /** How long everything goes on as before, milliseconds: the load balancer has noticed by then. */
  readonly delayMs: number;
  /** How long a connection that has said nothing since may still bring a request, milliseconds. */
  readonly graceMs: number;
  /** How long requests under way, and then `drain`, may take; milliseconds. */
  readonly patienceMs: number;
  /** Stops what is behind the routes; from here on submits are refused. */
  readonly drain: (patienceMs: number) => Promise<void>;
}

/**
 * What a gateway behind a load balancer gives idle connections. Longer than the balancer keeps one (4 s in deploy/nginx.conf),
 * so that it is the one to close it. Milliseconds.
 */
export const IDLE_GRACE_MS = 5000;
/** A turn of the event loop that did next to nothing. Milliseconds. */
const SHORT_TURN_MS = 0.1;
/** One that never has such a turn stops all the same. Milliseconds. */
const QUIET_WITHIN_MS = 2000;
/** How often connections that have fallen idle at the very end are closed. Milliseconds. */
const SWEEP_MS = 50;

/**
 * Stops a server without failing a request: says "not ready" while it goes on serving, then takes no new connections, and
 * closes those that are left only once their clients have been told, or have had nothing to say for a while.
 */
export async function shutDown(closing: Closing): Promise<void> {
  const { app, draining, delayMs, graceMs, patienceMs, drain } = closing;
  draining.begin();
  // Without a delay nobody else is there to take the requests: nothing is gained by waiting for them.
  if (delayMs > 0) await pause(delayMs);
  draining.release();
  await quietTurn(app.server);
  const gone = stopListening(app.server);
  if (delayMs > 0) await within(gone, Math.min(graceMs, patienceMs));

  const drained = drain(patienceMs);
  const closeIdle = () => app.server.closeIdleConnections();
  closeIdle();
  const sweep = setInterval(closeIdle, SWEEP_MS);
  try {
    // A download that takes longer than the operator's patience is cut; its client goes on with `Range`.
    if (!(await within(gone, patienceMs))) app.server.closeAllConnections();
  } finally {
    clearInterval(sweep);
  }
  await app.close();
  await drained;
}

/**
 * Resolves in a moment when no connection waits to be accepted. The system makes connections on our behalf, and Node takes one
 * in each turn of the event loop; those left when the listener closes are reset. A load balancer that has not noticed the
 * stop opens many, since every answer ends one.
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
    // Nothing was waiting when this turn began, and it was too short for much to have come since. The longer it takes to meet one,
    // the less short it has to be.
    if (accepted === before && now - turn < SHORT_TURN_MS + (now - started) / 1000) break;
    turn = now;
  }
  server.off('connection', count);
}

/**
 * Takes no new connections; resolves when the last one has ended. By the method of the class below: `http.Server`'s own
 * resets every idle connection in the same breath, and with it the request that may be on its way.
 */
function stopListening(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether the promise has resolved before the time was over. */
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
