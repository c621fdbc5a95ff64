import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import type { Keyring } from '../auth/keyring.ts';
import type { KeyRow } from '../store/projects.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { type Clock, type Moment, type MonotonicClock, msBetween } from '../time/clock.ts';
import type { Draining } from './draining.ts';

/** How often something is sent, so that proxies do not close an idle stream. Milliseconds. */
const HEARTBEAT_MS = 15_000;
/**
 * Bytes that wait for a client. One that stays further behind for `PATIENCE_MS` reads too slowly: it is cut off, and goes on from its last
 * cursor. Being behind for a moment says nothing, as many events can come at once.
 */
const MOST_BEHIND = 256 * 1024;
const PATIENCE_MS = 10_000;
/** Bytes that wait for a client at the very most, however fast they came. */
const MOST_WAITING = 4 * 1024 * 1024;
const RECHECK_MS = 250;
/** setTimeout fires at once for longer delays. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A stream of server-sent events to one client. */
export interface EventStream {
  readonly body: Readable;
  readonly isClosed: boolean;
  /** Sends a frame. Ends the stream if the client reads too slowly. */
  push(frame: Buffer | string): void;
  /** Sends a frame. Resolves when the client has read enough for another one, or is gone. */
  send(frame: Buffer | string): Promise<void>;
  /** Ends the stream after everything that was sent. */
  end(): void;
}

/** The event streams of this node: counted, kept alive, and ended with their key or the gateway. */
export interface EventStreams {
  /**
   * Throws a 429 if the key or the node has too many. `heartbeat` is what an idle stream sends. `closed` is called when it is over, however
   * it ends; a stream that is never sent is to be destroyed.
   */
  open(key: KeyRow, closed: () => void, heartbeat?: () => string): EventStream;
  /** Number of open streams. */
  readonly count: number;
}

interface StreamsParts {
  readonly keyring: Pick<Keyring, 'isValid' | 'onForget'>;
  readonly draining: Draining;
  readonly clock: Clock;
  /** Measures how long a client is behind. */
  readonly monotonicClock: MonotonicClock;
  readonly limits: StreamLimits;
}

/** Streams at a time. */
interface StreamLimits {
  readonly perKey: number;
  readonly perNode: number;
}

interface OfKey {
  readonly key: KeyRow;
  readonly streams: Set<EventStream>;
}

export function createEventStreams({
  keyring,
  draining,
  clock,
  monotonicClock,
  limits,
}: StreamsParts): EventStreams {
  const byKey = new Map<string, OfKey>();
  let count = 0;
  let rechecking = false;
  let recheckAgain = false;

  function refuseTooMany({ id }: KeyRow): void {
    if ((byKey.get(id)?.streams.size ?? 0) >= limits.perKey)
      throw tooMany(
        `This API key has ${limits.perKey} event streams open already; close some, or watch all tasks with one at /v1/events.`,
      );
    if (count >= limits.perNode)
      throw tooMany('The gateway has too many event streams open; try again later, or query with ?wait=60.');
  }

  /** Ends the streams of keys that are not valid any more. Retried while the store is away. */
  async function recheck(): Promise<void> {
    recheckAgain = true;
    if (rechecking) return;
    rechecking = true;
    while (recheckAgain && count > 0) {
      recheckAgain = false;
      try {
        await Promise.all(
          [...byKey.values()].map(async ({ key, streams }) => {
            if (!(await keyring.isValid(key, 'read'))) endAll(streams);
          }),
        );
      } catch {
        recheckAgain = true;
        await sleep(RECHECK_MS, undefined, { ref: false });
      }
    }
    rechecking = false;
  }
  keyring.onForget(() => void recheck());

  function register(key: KeyRow, stream: EventStream): () => void {
    const ofKey = byKey.get(key.id) ?? { key, streams: new Set() };
    byKey.set(key.id, ofKey);
    ofKey.streams.add(stream);
    count += 1;
    return () => {
      count -= 1;
      ofKey.streams.delete(stream);
      if (ofKey.streams.size === 0 && byKey.get(key.id) === ofKey) byKey.delete(key.id);
    };
  }

  return {
    get count() {
      return count;
    },
    open(key, closed, heartbeat = () => ':\n\n') {
      refuseTooMany(key);
      const stream = createStream(monotonicClock);
      const unregister = register(key, stream);
      const timer = setInterval(() => stream.push(heartbeat()), HEARTBEAT_MS);
      const expiry = atExpiry(key, clock, stream.end);
      const stopDrain = draining.onRelease(stream.end);
      stream.body.once('close', () => {
        clearInterval(timer);
        clearTimeout(expiry);
        stopDrain();
        unregister();
        closed();
      });
      return stream;
    },
  };
}

/** Answers with a stream of server-sent events, or with none for HEAD: Fastify would create the stream and only not send it. */
export function sendEvents(reply: FastifyReply, body: Readable | undefined): FastifyReply {
  reply.request.isHeld = true;
  return reply
    .headers({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // nginx would keep events back until there are many.
      'x-accel-buffering': 'no',
    })
    .send(body);
}

function createStream(clock: MonotonicClock): EventStream {
  let wanted: (() => void) | undefined;
  const body = new Readable({ read: () => wanted?.() });
  body.once('close', () => wanted?.());
  let ended = false;
  /** Since when more waits than should. */
  let behindSince: Moment | undefined;
  function isTooSlow(): boolean {
    if (body.readableLength <= MOST_BEHIND) return false;
    behindSince ??= clock.monotonic();
    return body.readableLength > MOST_WAITING || msBetween(behindSince, clock.monotonic()) >= PATIENCE_MS;
  }
  function push(frame: Buffer | string): boolean {
    if (ended || body.destroyed) return true;
    // Looked at before more is added: what the client has read since the last time counts for it.
    if (body.readableLength <= MOST_BEHIND) behindSince = undefined;
    // A buffer, so that what is sent to many clients is in memory once.
    const more = body.push(frame);
    if (isTooSlow()) body.destroy();
    return more;
  }
  return {
    body,
    get isClosed() {
      return ended || body.destroyed;
    },
    push: (frame) => void push(frame),
    async send(frame) {
      if (push(frame)) return;
      await new Promise<void>((resolve) => {
        wanted = resolve;
        if (body.destroyed) resolve();
      });
      wanted = undefined;
    },
    end() {
      if (!ended && !body.destroyed) body.push(null);
      ended = true;
    },
  };
}

function atExpiry({ expiresAt }: KeyRow, clock: Clock, end: () => void): NodeJS.Timeout | undefined {
  if (expiresAt === undefined) return undefined;
  const ms = expiresAt - clock.now();
  return ms > LONGEST_TIMER_MS ? undefined : setTimeout(end, Math.max(0, ms));
}

function endAll(streams: Iterable<EventStream>): void {
  for (const stream of [...streams]) stream.end();
}

const tooMany = (message: string): OnetakeError =>
  new OnetakeError('too_many_streams', 429, message, { retryAfterSeconds: 5 });
