import { ApiError, ConnectionError, isTransient, OnetakeError } from './errors.ts';
import type { Http } from './http.ts';
import { readEvents } from './sse.ts';
import { createBackoff } from './timing.ts';
import type { CallOptions } from './types.ts';
import { FIRST_EVENT_MS, LONGEST_OUTAGE_MS, SILENCE_MS } from './wait.ts';
import type { TaskEvent } from './webhook.ts';

export interface EventOptions extends CallOptions {
  /** Only events of these types. */
  readonly types?: readonly string[] | undefined;
  /** Only events of tasks of this model. */
  readonly model?: string | undefined;
  /** Only events of tasks that were submitted with all of these pairs. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Called when the stream is there, at first and after each interruption: what happens from then on is told. */
  readonly onReady?: (() => void) | undefined;
  /**
   * Called if the gateway cannot tell what happened during an interruption, because that is too long ago: list the tasks instead. Without it,
   * that is an error.
   */
  readonly onReset?: ((message: string) => void) | undefined;
}

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
/** An event may come again after an interruption, and only the latest can. */
const REMEMBERED = 10_000;

/** Yields the events of a project. Throws if the gateway cannot be reached at first, or for ten minutes later on. */
export async function* watchEvents(
  http: Http,
  options: EventOptions,
): AsyncGenerator<TaskEvent, never, undefined> {
  const { signal } = options;
  const { timing } = http;
  const backoff = createBackoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, timing.random);
  const known = new Set<string>();
  const place: Place = { cursor: undefined };
  let wasThere = false;
  let brokenSince: number | undefined;
  for (;;) {
    let asked: number | undefined;
    try {
      for await (const event of readStream(http, options, place)) {
        wasThere = true;
        brokenSince = undefined;
        backoff.reset();
        if (event === 'alive' || known.has(event.id)) continue;
        known.add(event.id);
        if (known.size > REMEMBERED) known.delete(known.values().next().value ?? '');
        yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      brokenSince ??= timing.now();
      const isOver = !wasThere || timing.now() - brokenSince > LONGEST_OUTAGE_MS;
      if (isOver || !isTransient(error)) throw error;
      asked = error instanceof ApiError ? error.retryAfterMs : undefined;
    }
    await timing.sleep(backoff.next(asked), signal);
  }
}

/** Where a stream goes on. */
interface Place {
  cursor: string | undefined;
}

/** One connection, until it ends: its events, and a sign of life for whatever else it tells. */
async function* readStream(
  http: Http,
  { types, model, metadata = {}, signal, onReady, onReset }: EventOptions,
  place: Place,
): AsyncGenerator<TaskEvent | 'alive', void, undefined> {
  const filters = Object.entries(metadata).map(([name, value]) => [`metadata[${name}]`, value]);
  const { response, link } = await http.open({
    path: '/v1/events',
    query: { type: types?.join(','), model, ...Object.fromEntries(filters) },
    headers: {
      accept: 'text/event-stream',
      ...(place.cursor ? { 'last-event-id': place.cursor } : {}),
    },
    timeoutMs: FIRST_EVENT_MS,
    repeatable: true,
    signal,
  });
  const silent = () => new ConnectionError('The event stream is silent.');
  const onBytes = () => link.abortAfter(SILENCE_MS, silent);
  const onId = (id: string) => {
    place.cursor = id;
  };
  try {
    if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
      throw new OnetakeError('The server has no stream of events; check baseUrl.');
    onBytes();
    for await (const { event, data } of readEvents(response.body, onBytes, onId)) {
      // What the consumer does with an event takes its time, and says nothing about the connection.
      link.holdOff();
      if (event === 'ready') onReady?.();
      if (event === 'reset') reset(data, onReset);
      yield event === 'ready' || event === 'reset' ? 'alive' : JSON.parse(data);
      onBytes();
    }
  } catch (error) {
    if (error instanceof OnetakeError) throw error;
    signal?.throwIfAborted();
    throw new ConnectionError('The event stream broke.', { cause: error });
  } finally {
    link.abort(undefined);
    link.release();
  }
}

function reset(data: string, onReset: EventOptions['onReset']): void {
  const { message } = JSON.parse(data) as { message: string };
  if (!onReset) throw new OnetakeError(message);
  onReset(message);
}
