import type { Log } from '../../observability/log.ts';
import type { Reason } from '../../tasks/reasons.ts';
import { unlessGivenUp } from '../http/unlessGivenUp.ts';
import { UpstreamError } from '../provider.ts';
import { createRateLimiter, type RateLimiter, type Wait } from '../rates/limiter.ts';
import type { OpenPermits } from '../rates/permits.ts';
import type { ArkTask, TaskOrMissing } from './wire.ts';

/**
 * Polls tasks within Ark's two limits. A few tasks are queried one by one. Tasks beyond the query limit wait for the list's next
 * turn, at most about a second, and share one request. So the wait does not grow with the number of tasks.
 */
export interface StatusBatcher {
  one(id: string, signal: AbortSignal): Promise<TaskOrMissing>;
  /** Ids without an answer are left out. */
  many(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TaskOrMissing>>;
  /** Sends a query of its own, for decisions that need the status of this very moment. */
  now(id: string, signal: AbortSignal): Promise<TaskOrMissing>;
  /**
   * About how many jobs one poll may be, so that the lists keep up with all polls that the account allows. With more, ids would wait
   * for the list behind less urgent ones.
   */
  readonly jobsPerPoll: number;
  /** The rate limiter of the list, for its other uses. */
  readonly lists: RateLimiter;
}

interface Parts {
  get(id: string, signal: AbortSignal): Promise<TaskOrMissing>;
  list(ids: readonly string[], signal: AbortSignal): Promise<readonly ArkTask[]>;
  /** The most ids in one list request. */
  readonly batch: number;
  /** Aborted when the provider is closed. */
  readonly closing: AbortSignal;
  /** What the account allows. */
  readonly queriesPerSecond: number;
  /** Opens the permits of both limits. */
  readonly permits: OpenPermits;
  readonly wait?: Wait;
  readonly log: Pick<Log, 'warn'>;
}

type Answers = ReadonlyMap<string, TaskOrMissing>;

/**
 * "Queries a second of an account: query 20, list 1" ("Video generation tutorial", "Limitations"). Lists are spaced a tenth of a
 * second further apart, because two requests may take different times to arrive.
 */
const LISTS = { perSecond: 1 / 1.1, burst: 1 };

/** From this many ids on, a list that may go now is better than queries. */
const MANY = 4;

/** Refusals of a list by a key that may still query the tasks. */
const LIST_REFUSALS: ReadonlySet<Reason> = new Set(['invalid_request', 'auth_failed']);

/** Time limit for a list request that several callers wait for. Milliseconds. */
const LIST_MS = 30_000;

export function createStatusBatcher(parts: Parts): StatusBatcher {
  const { closing, batch, permits, queriesPerSecond, wait } = parts;
  // Half is the rate and half the burst, so that no second sees more than the limit.
  const half = queriesPerSecond / 2;
  const burst = Math.max(1, half);
  const queries = createRateLimiter(
    (wanted) => permits('ark.query', { perSecond: half, burst }, wanted),
    wait,
  );
  const lists = createRateLimiter((wanted) => permits('ark.list', LISTS, wanted), wait);
  const queue = createListQueue({ lists, closing, batch, poll: listed });

  /**
   * A key with custom permissions may query tasks but not list them: Ark then answers "filter.model is required". So a refused
   * list says nothing about the tasks.
   */
  async function list(ids: readonly string[], signal: AbortSignal): Promise<readonly ArkTask[]> {
    try {
      return await parts.list(ids, signal);
    } catch (error) {
      if (!(error instanceof UpstreamError) || !LIST_REFUSALS.has(error.reason)) throw error;
      parts.log.warn(
        { event: 'upstream.list_refused', detail: error.detail },
        'Ark refuses to list tasks; they are polled one by one',
      );
      return [];
    }
  }

  /** Lists tasks, and queries those that the list leaves out as far as the query limit allows. */
  async function listed(ids: readonly string[], signal: AbortSignal): Promise<Answers> {
    const wanted = new Set(ids);
    const answers = new Map<string, TaskOrMissing>();
    for (const task of await list(ids, signal)) {
      const complete = task.status !== 'succeeded' || Boolean(task.content?.video_url);
      if (wanted.has(task.id) && complete) answers.set(task.id, task);
    }
    const rest = ids.filter((id) => !answers.has(id));
    const mayGo = await Promise.all(rest.map(() => queries.take()));
    return new Map([
      ...answers,
      ...(await each(
        rest.filter((_, index) => mayGo[index]),
        signal,
      )),
    ]);
  }

  async function each(ids: readonly string[], signal: AbortSignal): Promise<Answers> {
    return new Map(
      await Promise.all(ids.map(async (id) => [id, await parts.get(id, signal)] as [string, TaskOrMissing])),
    );
  }

  async function now(id: string, signal: AbortSignal): Promise<TaskOrMissing> {
    await unlessGivenUp(queries.turn(signal), signal);
    return parts.get(id, signal);
  }

  return {
    jobsPerPoll: Math.max(1, Math.floor((batch * LISTS.perSecond) / queriesPerSecond)),
    lists,
    now,
    async one(id, signal) {
      if (await queries.take()) return parts.get(id, signal);
      return (await unlessGivenUp(queue.add(id), signal)) ?? now(id, signal);
    },
    async many(ids, signal) {
      if (ids.length >= MANY && ids.length <= batch && (await lists.take())) return listed(ids, signal);
      // More would never be ready at once.
      if (ids.length <= burst && (await queries.take(ids.length))) return each(ids, signal);
      const answers = await unlessGivenUp(Promise.all(ids.map(queue.add)), signal);
      return new Map(
        ids.flatMap((id, index) => {
          const answer = answers[index];
          return answer === undefined ? [] : [[id, answer]];
        }),
      );
    },
  };
}

interface QueueParts {
  readonly lists: RateLimiter;
  readonly closing: AbortSignal;
  /** The most ids in one list request. */
  readonly batch: number;
  poll(ids: readonly string[], signal: AbortSignal): Promise<Answers>;
}

/** Collects ids and polls them together, in the order in which they came, whenever the list's turn comes. */
function createListQueue({ lists, closing, batch, poll }: QueueParts): {
  /** Resolves with undefined if the poll brought no answer for the id. */
  add(id: string): Promise<TaskOrMissing | undefined>;
} {
  type Waiting = PromiseWithResolvers<TaskOrMissing | undefined>;
  const waiting = new Map<string, Waiting>();
  let flushing = false;

  async function flush(): Promise<void> {
    if (flushing) return;
    flushing = true;
    while (waiting.size > 0) {
      let entries: [string, Waiting][] = [...waiting];
      try {
        await lists.turn(closing);
        entries = [...waiting].slice(0, batch);
        for (const [id] of entries) waiting.delete(id);
        const signal = AbortSignal.any([closing, AbortSignal.timeout(LIST_MS)]);
        const answers = await poll(
          entries.map(([id]) => id),
          signal,
        );
        for (const [id, entry] of entries) entry.resolve(answers.get(id));
      } catch (error) {
        for (const [id, entry] of entries) {
          waiting.delete(id);
          entry.reject(error);
        }
      }
    }
    flushing = false;
  }

  return {
    add(id) {
      const known = waiting.get(id);
      if (known) return known.promise;
      const entry: Waiting = Promise.withResolvers();
      // The caller may have given up by then.
      entry.promise.catch(() => undefined);
      waiting.set(id, entry);
      void flush();
      return entry.promise;
    },
  };
}
