import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Log } from '../../observability/log.ts';
import { CHANNEL, LIVING_NODES, nodeName } from '../../store/postgres/nodes.ts';
import { connectionTo } from '../../store/postgres/url.ts';
import { sharedSession } from './ownSession.ts';
import { setUpSession } from './setUp.ts';
import type { LeaseTimings } from './timings.ts';

/** One life of a node among the others: a connection that holds its lock and listens. It ends once, and never comes back. */
export interface Session {
  readonly node: string;
  held(): boolean;
  /** Resolves with why, when the session is over or can no longer be proved; never where it was closed. */
  readonly ended: Promise<string>;
  members(): Promise<readonly string[]>;
  /** Sends payloads after those given before, together with what gathers meanwhile. Never waits. */
  notify(payloads: readonly string[]): void;
  /** Lets the lock go at once. */
  close(): Promise<void>;
}

export interface SessionParts {
  /** Of a direct connection to the server. */
  readonly url: string;
  readonly log: Log;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  readonly timings: LeaseTimings;
  onPayload(payload: string): void;
  /** An answer has just arrived: the server's time (milliseconds UTC) was `at`, some time after `sentAt` by `now`. */
  onServerTime(at: number, sentAt: number): void;
}

/** Payloads in one statement: what gathered while the one before was on its way, within bounds. */
const NOTIFY_BATCH = 200;

const SERVER_TIME = '(extract(epoch from clock_timestamp()) * 1000)::float8 as at';

/** Proves the session, and tells what there is to tell. The process id shows whether a pooler gave us another's session. */
const NOTIFY = `select pg_backend_pid() as pid, ${SERVER_TIME}, count(pg_notify('${CHANNEL}', payload)) from unnest($1::text[]) as payload`;

/** The names of the living nodes in the order of joining: numbers only grow. */
const MEMBERS = `${LIVING_NODES} order by objid`;

/** Opens a connection, takes a new number and its lock, and listens. */
export async function openLease(parts: SessionParts): Promise<Session> {
  const { url, log, now, timings, onPayload, onServerTime } = parts;
  // Ours to destroy: the client itself would say goodbye to a server that does not answer, and wait.
  const socket = new Socket();
  const client = new Client({ ...connectionTo(url), stream: () => socket, keepAlive: true });
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  let open = false;
  let over = false;
  let leaseEnds = now();
  let leaseTimer: NodeJS.Timeout | undefined;
  let pingTimer: NodeJS.Timeout | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const outbox = createOutbox(send, log);

  function stop(): void {
    open = false;
    over = true;
    clearTimeout(leaseTimer);
    clearTimeout(pingTimer);
    outbox.clear();
  }
  function lose(why: string): void {
    if (over) return;
    stop();
    socket.destroy();
    end(why);
  }
  client.on('error', (error) => lose(error.message));
  client.on('end', () => lose('the connection ended'));
  client.on('notification', ({ channel, payload }) => {
    // What is told while the session opens, the catch-up of whoever opens it finds in the store.
    if (open && channel === CHANNEL && payload !== undefined) onPayload(payload);
  });

  const held = (): boolean => !over && now() < leaseEnds;

  function renew(sentAt: number): void {
    // What has ended stays ended, also where the answer was only late: somebody may have been told so.
    if (!held()) {
      lose('no answer in time');
      return;
    }
    leaseEnds = sentAt + timings.leaseMs;
  }
  function watch(): void {
    leaseTimer = setTimeout(() => (held() ? watch() : lose('no answer in time')), leaseEnds - now());
  }

  /** One statement at a time. Every answer is as good as that to a ping. */
  function ask<Row extends object>(text: string, values: unknown[] = []): Promise<readonly Row[]> {
    const asked = last.then(async () => {
      const sentAt = now();
      const { rows } = await client.query<Row>(text, values);
      renew(sentAt);
      return rows;
    });
    last = asked.catch(() => undefined);
    return asked;
  }

  async function send(payloads: readonly string[]): Promise<void> {
    const sentAt = now();
    const [row] = await ask<{ pid: number; at: number }>(NOTIFY, [payloads]);
    if (row?.pid !== pid) lose(sharedSession().message);
    else onServerTime(row.at, sentAt);
  }

  function ping(): void {
    if (over) return;
    pingTimer = setTimeout(
      () => void send([]).then(ping, (error) => lose(error instanceof Error ? error.message : String(error))),
      timings.pingMs,
    );
  }

  const opening = setTimeout(() => socket.destroy(new Error('no answer in time')), timings.openMs);
  let number: number;
  let pid: number;
  try {
    await client.connect();
    ({ number, pid } = await setUpSession(client, url, timings));
    leaseEnds = now() + timings.leaseMs;
    // The first proof.
    const sentAt = now();
    const { rows } = await client.query<{ at: number }>(`select ${SERVER_TIME}`);
    for (const { at } of rows) onServerTime(at, sentAt);
    if (over) throw new Error(await ended);
  } catch (error) {
    stop();
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(opening);
  }
  open = true;
  watch();
  ping();

  return {
    node: nodeName(number),
    held,
    ended,
    async members() {
      const rows = await ask<{ name: string }>(MEMBERS);
      return rows.map(({ name }) => name);
    },
    notify(payloads) {
      if (!over) outbox.push(payloads);
    },
    async close() {
      if (over) return;
      // Where the server cannot be reached it ends the session by its own timeout.
      const late = setTimeout(() => socket.destroy(), timings.leaseMs);
      await outbox.sent();
      stop();
      await last;
      await client.end().catch(() => undefined);
      clearTimeout(late);
    },
  };
}

/** Payloads to send. What is added while a batch is being sent goes into the next batch. A batch that fails is dropped. */
function createOutbox(send: (batch: readonly string[]) => Promise<void>, log: Log) {
  let queue: string[] = [];
  let sending: Promise<void> | undefined;

  async function sendQueue(): Promise<void> {
    while (queue.length > 0) {
      try {
        await send(queue.splice(0, NOTIFY_BATCH));
      } catch (error) {
        log.debug({ event: 'cluster.message_dropped', err: error }, 'messages to other nodes were not sent');
      }
    }
    sending = undefined;
  }

  return {
    push(payloads: readonly string[]): void {
      queue.push(...payloads);
      sending ??= sendQueue();
    },
    clear(): void {
      queue = [];
    },
    /** Resolves when nothing is queued or being sent. */
    sent: () => sending,
  };
}
