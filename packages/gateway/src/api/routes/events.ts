import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { createFairLimit, type FairLimit } from '../../net/fairLimit.ts';
import type { EventPage } from '../../store/store.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { EVENT_TYPES, type EventType } from '../../tasks/events.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { metadataFilter } from '../filters.ts';
import { hangUpSignal } from '../http/hangUp.ts';
import { ERRORS, ErrorAnswer } from '../schemas.ts';
import { sendEvents } from '../streams.ts';
import { cursorOnly, type EventFrame, serverSent } from '../views/event.ts';

/** Events of the past in one read. */
const PAGE = 100;
/** Reads of the past at a time, over all streams and for one key: many clients resume at once after a restart. */
const READS = { total: 4, perTenant: 2 };
/** New events that wait for a stream which still sends those of the past. */
const MOST_WAITING = 1000;

const EventQuery = z.looseObject({
  type: z
    .string()
    .optional()
    .describe(`Only events of these types, separated by commas: ${EVENT_TYPES.join(', ')}`),
  model: z.string().min(1).optional().describe('Only tasks of this model'),
});

/** `GET /v1/events`: the events of all tasks of the key's project. */
export function eventsRoute(app: App, context: ApiContext): void {
  const reads = createFairLimit(READS);

  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/events',
    config: { scope: 'read' },
    schema: {
      operationId: 'watchEvents',
      summary: 'Watch all tasks',
      description:
        "Server-sent events of all tasks of the key's project. A client that reconnects sends the `id` of the last event that it received as `Last-Event-ID`, to any node: events may be repeated (drop those whose `id` in the data is known), and none is missed. " +
        '`ready` says that everything up to now was sent. `reset` says that the cursor is too old, or of another database: list the tasks instead. Filter by metadata with `metadata[name]=value`, which may be repeated.',
      tags: ['Video'],
      querystring: EventQuery,
      response: {
        200: z.string().describe('`text/event-stream`'),
        ...ERRORS,
        429: ErrorAnswer.describe('Too many event streams are open'),
      },
    },
    handler: async (request, reply) => {
      const filter = filterOf(request.query);
      if (request.method === 'HEAD') return sendEvents(reply, undefined);
      const given = request.headers['last-event-id'];
      const watch = createWatch(context, { request, reply, reads, filter });
      try {
        await watch.begin(typeof given === 'string' && given !== '' ? given : undefined);
      } catch (error) {
        watch.stream.body.destroy();
        if (request.raw.socket.destroyed) return sendEvents(reply, undefined);
        throw error;
      }
      // The client may have disconnected meanwhile. Later disconnects destroy the stream by themselves.
      if (request.raw.socket.destroyed) watch.stream.body.destroy();
      return sendEvents(reply, watch.stream.body);
    },
  });
}

interface Watched {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly reads: FairLimit;
  readonly filter: (frame: EventFrame) => boolean;
}

/** One client's stream: the events behind its cursor, and then those of this node's reader. */
function createWatch(context: ApiContext, { request, reply, reads, filter }: Watched) {
  const { store, events, frameOf, streams } = context;
  const key = keyOf(request);
  const { projectId } = key;
  const gone = hangUpSignal(reply);
  /** New events, until those of the past are sent. */
  const waiting: EventFrame[] = [];
  let isLive = false;
  let stop: () => void = () => undefined;
  const heartbeat = () => {
    const cursor = isLive ? events.cursor() : undefined;
    return cursor === undefined ? ':\n\n' : cursorOnly(cursor);
  };
  const stream = streams.open(key, () => stop(), heartbeat);
  // Before the past is read, so that there is no gap between the two.
  stop = events.subscribe(projectId, (frame) => {
    if (!filter(frame)) return;
    if (isLive) stream.push(frame.bytes);
    else if (waiting.length < MOST_WAITING) waiting.push(frame);
    else stream.body.destroy();
  });

  async function read(cursor: string, view?: string): Promise<EventPage | 'unknown' | 'too_old'> {
    const release = await reads.acquire(key.id, 1, gone);
    try {
      return await store.eventsAfter(cursor, { limit: PAGE, projectId, view });
    } finally {
      release();
    }
  }

  /** From now on. What was given before is not behind the cursor. */
  async function goLive(cursor: string, known: ReadonlySet<string>): Promise<void> {
    stream.push(serverSent('ready', cursor, '{}'));
    // As fast as the client reads. What comes meanwhile is sent after them.
    for (let frame = waiting.shift(); frame; frame = waiting.shift()) {
      if (!known.has(frame.id)) await stream.send(frame.bytes);
    }
    isLive = true;
  }

  function startHere(why?: 'unknown' | 'too_old'): void {
    waiting.length = 0;
    const cursor = events.cursor() ?? '';
    if (why) stream.push(serverSent('reset', cursor, JSON.stringify({ reason: why, message: RESET[why] })));
    stream.push(serverSent('ready', cursor, '{}'));
    isLive = true;
  }

  async function sendPast(first: EventPage): Promise<void> {
    const known = new Set<string>();
    for (let page = first; ; ) {
      let sent: string | undefined;
      for (const logged of page.events) {
        if (stream.isClosed) return;
        const frame = await frameOf(logged);
        known.add(frame.id);
        if (!filter(frame)) continue;
        await stream.send(frame.bytes);
        sent = logged.cursor;
      }
      if (!page.next) return goLive(page.end, known);
      // A client that resumes does not read again what was not for it.
      const last = page.events.at(-1)?.cursor;
      if (last !== undefined && last !== sent) await stream.send(cursorOnly(last));
      known.clear();
      const next = await read(page.next.after, page.next.view);
      if (typeof next === 'string') return startHere(next);
      page = next;
    }
  }

  return {
    stream,
    /** Throws if the store is away: then nothing was sent. */
    async begin(cursor: string | undefined): Promise<void> {
      await events.begun();
      const past = cursor === undefined ? undefined : await read(cursor);
      if (past === undefined || typeof past === 'string') startHere(past);
      else sendPast(past).catch((error: Error) => stream.body.destroy(error));
    },
  };
}

const RESET = {
  unknown: 'This cursor is not one of this database: list the tasks, and go on from here.',
  too_old: 'Events behind this cursor are not kept any more: list the tasks, and go on from here.',
};

function filterOf({ type, model, ...others }: z.output<typeof EventQuery>): Watched['filter'] {
  const metadata = Object.entries(metadataFilter(others));
  const types = type?.split(',').map((one) => one.trim());
  const wrong = types?.find((one) => !EVENT_TYPES.includes(one as EventType));
  if (wrong !== undefined) {
    throw invalidRequest(
      `type is not valid: there is no event "${wrong}"; use ${EVENT_TYPES.join(', ')}.`,
      'type',
    );
  }
  return (frame) =>
    (!types || types.includes(frame.type)) &&
    (model === undefined || frame.model === model) &&
    metadata.every(([name, value]) => Object.hasOwn(frame.metadata, name) && frame.metadata[name] === value);
}
