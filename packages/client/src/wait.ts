import {
  ApiError,
  ConnectionError,
  InvalidRequestError,
  isTransient,
  OnetakeError,
  RateLimitError,
  retryAfterMs,
  TaskFailedError,
  WaitTimeoutError,
} from './errors.ts';
import type { Http } from './http.ts';
import { readEvents } from './sse.ts';
import { createBackoff, linkSignal, type Timing } from './timing.ts';
import type { Progress, Task, WaitOptions } from './types.ts';

/** The gateway holds a query for up to a minute; common proxies close what is silent for a minute. Seconds. */
const HOLD_SECONDS = 30;
/** While event streams work and one has just broken off: they tell of progress, and a held query does not. Seconds. */
const SHORT_HOLD_SECONDS = 5;
/** What a held query may take beyond its hold. Milliseconds. */
const HOLD_SLACK_MS = 20_000;
/** A server that answers within this has not held a query. Milliseconds. */
const HELD_MS = 1000;
/** A stream begins with the task as it is. If that does not arrive, something on the way keeps it back. Milliseconds. */
export const FIRST_EVENT_MS = 10_000;
/** Three heartbeats of the gateway. A stream that is silent for longer is dead. Milliseconds. */
export const SILENCE_MS = 45_000;
/** Streams that connect and bring nothing, until no more are tried. */
const FRUITLESS_STREAMS = 2;
const FIRST_POLL_MS = 1000;
/** What the reference service recommends is 3 to 5 s. Milliseconds. */
const LONGEST_POLL_MS = 10_000;
/** How long a server may be out of reach before waiting for it ends. Milliseconds. */
export const LONGEST_OUTAGE_MS = 600_000;

/** What a server turned out not to have. Shared by all calls of a client. */
export interface Abilities {
  events: boolean;
  hold: boolean;
}

/** Where a client asks, and what it has learnt of the server. */
export interface Server {
  readonly http: Http;
  readonly abilities: Abilities;
}

/**
 * Waits until a task has succeeded, by its event stream, or by held queries where streams do not get through, or by polling where queries
 * are not held. Throws a `TaskFailedError` if it failed.
 */
export async function waitForTask(
  server: Server,
  id: string,
  { onProgress, signal }: Pick<WaitOptions, 'onProgress' | 'signal'>,
  known?: Progress,
): Promise<Task> {
  try {
    const task = await followTask(server, id, onProgress, signal, known);
    if (task.status === 'failed') throw new TaskFailedError(task);
    return task;
  } catch (error) {
    if (error instanceof OnetakeError) error.taskId ??= id;
    throw error;
  }
}

/** Aborts the signal of `work` after `timeout` with a `WaitTimeoutError`. */
export async function withTimeout<T>(
  { signal, timeout }: Pick<WaitOptions, 'signal' | 'timeout'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const link = linkSignal(signal);
  if (timeout !== undefined)
    link.abortAfter(timeout, () => new WaitTimeoutError(`Not finished within ${timeout / 1000} s.`));
  try {
    return await work(link.signal);
  } finally {
    link.release();
  }
}

async function followTask(
  server: Server,
  id: string,
  onProgress: WaitOptions['onProgress'],
  signal: AbortSignal | undefined,
  known: Progress | undefined,
): Promise<Task> {
  const { timing } = server.http;
  const backoff = createBackoff(FIRST_POLL_MS, LONGEST_POLL_MS, timing.random);
  const outage = createOutage(timing);
  let told = JSON.stringify(known);
  let status = known?.status;
  let fruitless = 0;

  /** Tells of the task if it changed, and says whether it has ended. */
  function hasEnded(task: Task): boolean {
    const text = JSON.stringify(task);
    if (text !== told) onProgress?.(task);
    told = text;
    if (task.status !== status) backoff.reset();
    status = task.status;
    return status === 'succeeded' || status === 'failed';
  }

  for (;;) {
    let outcome: StreamOutcome = 'none';
    if (server.abilities.events && fruitless < FRUITLESS_STREAMS) {
      const stream = watch(server, id, signal);
      try {
        let next = await stream.next();
        for (; !next.done; next = await stream.next()) if (hasEnded(next.value)) return next.value;
        outcome = next.value;
      } finally {
        await stream.return('none');
      }
      fruitless = outcome === 'fruitless' ? fruitless + 1 : 0;
    }
    const before = status;
    const seconds = outcome === 'heard' ? SHORT_HOLD_SECONDS : HOLD_SECONDS;
    const asked = await ask(server, id, seconds, signal).catch(outage.bear);
    if (asked.task) {
      outage.over();
      // The task is there, so it was the path that the server did not know.
      if (outcome === 'unsupported') server.abilities.events = false;
      if (hasEnded(asked.task)) return asked.task;
      if (asked.wasHeld(before)) continue;
    }
    await timing.sleep(backoff.next(asked.retryAfterMs), signal);
  }
}

interface Asked {
  /** Undefined if there was no answer. */
  readonly task: Task | undefined;
  readonly retryAfterMs: number | undefined;
  /** Whether the server waited for a change of this status, so that it can be asked again at once. */
  wasHeld(before: Task['status'] | undefined): boolean;
}

/** Queries a task. A server that holds queries answers when the task has changed or the time is over. */
async function ask(
  { http, abilities }: Server,
  id: string,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<Asked> {
  async function query(wait: number | undefined): Promise<Asked> {
    const began = http.timing.now();
    const { body: task, headers } = await http.json<Task>({
      path: taskPath(id),
      query: { wait },
      timeoutMs: (wait ?? 0) * 1000 + HOLD_SLACK_MS,
      signal,
    });
    if (typeof task?.status !== 'string') throw new ConnectionError('The answer is no task; check baseUrl.');
    const tookMs = http.timing.now() - began;
    return {
      task,
      retryAfterMs: retryAfterMs(headers, Date.now()),
      wasHeld: (before) =>
        wait !== undefined && (tookMs >= wait * 800 || (tookMs >= HELD_MS && task.status !== before)),
    };
  }

  if (!abilities.hold) return query(undefined);
  try {
    return await query(seconds);
  } catch (error) {
    // A server that does not know `wait` may refuse it. If that is not why, the next query is refused as well.
    if (!(error instanceof InvalidRequestError)) throw error;
    const answer = await query(undefined);
    abilities.hold = false;
    return answer;
  }
}

/**
 * How a stream ended: it told of the task; it connected and told nothing, or there are too many; the server has none; or there was no
 * connection, or no stream was tried.
 */
type StreamOutcome = 'heard' | 'fruitless' | 'unsupported' | 'none';

/** Yields the task as it is and after each change. Returns when there is no stream, or no more of it. */
async function* watch(
  { http }: Server,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Task, StreamOutcome, undefined> {
  const began = http.timing.now();
  let outcome: StreamOutcome = 'none';
  try {
    const { response, link } = await http.open({
      path: `${taskPath(id)}/events`,
      headers: { accept: 'text/event-stream' },
      timeoutMs: FIRST_EVENT_MS,
      signal,
    });
    try {
      if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
        return 'unsupported';
      outcome = 'fruitless';
      const silent = () => new ConnectionError('The event stream is silent.');
      link.abortAfter(FIRST_EVENT_MS, silent);
      for await (const { event, data } of readEvents(response.body, () =>
        link.abortAfter(SILENCE_MS, silent),
      )) {
        if (event !== 'task') continue;
        outcome = 'heard';
        yield JSON.parse(data);
      }
    } finally {
      link.abort(undefined);
      link.release();
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    // The query that follows shows whether it is about the task or only about its events.
    if (error instanceof RateLimitError) return 'fruitless';
    if (error instanceof ApiError && !isTransient(error)) return 'unsupported';
    // A proxy that collects whole answers keeps back even the headers.
    if (outcome === 'none' && http.timing.now() - began >= FIRST_EVENT_MS) return 'fruitless';
  }
  return outcome;
}

/** A server that cannot be reached is asked again for a while: it may be restarting, and the task goes on. */
function createOutage(timing: Timing) {
  let since: number | undefined;
  return {
    over() {
      since = undefined;
    },
    /** Throws what does not pass by itself, or lasts too long. */
    bear(error: unknown): Asked {
      since ??= timing.now();
      if (!isTransient(error) || timing.now() - since > LONGEST_OUTAGE_MS) throw error;
      const retryAfter = error instanceof ApiError ? error.retryAfterMs : undefined;
      return { task: undefined, retryAfterMs: retryAfter, wasHeld: () => false };
    },
  };
}

export const taskPath = (id: string): string => `/v1/video/generations/${encodeURIComponent(id)}`;
