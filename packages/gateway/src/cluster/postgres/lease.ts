import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Log } from '../../observability/log.ts';
import { CHANNEL, LIVING_NODES, nodeName } from '../../store/postgres/nodes.ts';
import { connectionTo } from '../../store/postgres/url.ts';
import { sharedSession } from './ownSession.ts';
import { setUpSession } from './setUp.ts';
import type { LeaseTimings } from './timings.ts';

/** A node's lease: a connection that holds the node's lock and listens to messages. Once it has ended it is never resumed. */
export interface Lease {
  readonly node: string;
  isValid(): boolean;
  /** Resolves with the reason when the lease has ended or cannot be confirmed any more. Does not resolve if it is closed. */
  readonly ended: Promise<string>;
  members(): Promise<readonly string[]>;
  /** Queues payloads, which are sent in order. Does not wait. */
  notify(payloads: readonly string[]): void;
  /** Releases the lock at once. */
  close(): Promise<void>;
}

export interface LeaseParts {
  /** Connects to PostgreSQL directly, not through a pooler in transaction mode. */
  readonly url: string;
  readonly log: Log;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly timings: LeaseTimings;
  onPayload(payload: string): void;
  /** Called when a response arrives: the server's time was `at` (milliseconds UTC) at some moment since `sentAt` by `now`. */
  onServerTime(at: number, sentAt: number): void;
}

/** Most payloads in one statement. */
const NOTIFY_BATCH = 200;

const SERVER_TIME = '(extract(epoch from clock_timestamp()) * 1000)::float8 as at';

/** Renews the lease and sends payloads. The process id shows whether a pooler has moved us to another session. */
const NOTIFY = `select pg_backend_pid() as pid, ${SERVER_TIME}, count(pg_notify('${CHANNEL}', payload)) from unnest($1::text[]) as payload`;

/** The names of the living nodes in the order of joining: numbers only grow. */
const MEMBERS = `${LIVING_NODES} order by objid`;

/** Opens a connection, takes a new number and its lock, and listens to messages. */
export async function openLease(parts: LeaseParts): Promise<Lease> {
  const { url, log, now, timings, onPayload, onServerTime } = parts;
  // Our own socket, so that it can be destroyed. The client would send a termination message first, and wait if the server does not
  // answer.
  const socket = new Socket();
  const client = new Client({ ...connectionTo(url), stream: () => socket });
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
    // Messages that arrive before the lease is open are dropped. Whoever opens it reads the store afterwards.
    if (open && channel === CHANNEL && payload !== undefined) onPayload(payload);
  });

  const isValid = (): boolean => !over && now() < leaseEnds;

  function renew(sentAt: number): void {
    // A lease that has run out is not renewed, even if the response was only late: other code may have seen that it ran out.
    if (!isValid()) {
      lose('no answer in time');
      return;
    }
    leaseEnds = sentAt + timings.leaseMs;
  }
  function watch(): void {
    leaseTimer = setTimeout(() => (isValid() ? watch() : lose('no answer in time')), leaseEnds - now());
  }

  /** Runs one statement at a time. Every response renews the lease, not only that to a ping. */
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
    // The first response tells the server's time.
    const sentAt = now();
    const { rows } = await client.query<{ at: number }>(`select ${SERVER_TIME}`);
    for (const { at } of rows) onServerTime(at, sentAt);
    if (over) throw new Error(await ended);
  } catch (error) {
    lose('it could not be opened');
    throw error;
  } finally {
    clearTimeout(opening);
  }
  open = true;
  watch();
  ping();

  return {
    node: nodeName(number),
    isValid,
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
      // A server that cannot be reached ends the session after its own timeout.
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
