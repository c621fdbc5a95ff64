import type { Log } from '../../observability/log.ts';
import type { Reason } from '../../tasks/reasons.ts';
import { createRateLimiter, type RateLimiter, type RateLimiterTime } from '../http/rateLimiter.ts';
import { unlessGivenUp } from '../http/unlessGivenUp.ts';
import { UpstreamError } from '../provider.ts';
import type { RateShare } from '../rateShare.ts';
import type { ArkTask } from './wire.ts';

/** What Ark says of an id: its task, or that it knows none. */
export type TaskOrMissing = ArkTask | 'missing';

/**
 * Asks about tasks within Ark's two limits. A few tasks are queried one by one; what is more than the queries allow waits for
 * the list's next turn, a second at most, and is asked in one request: the wait does not grow with the number of tasks.
 */
export interface StatusBatcher {
  one(id: string, signal: AbortSignal): Promise<TaskOrMissing>;
  /** Ids without an answer are left out. */
  many(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, TaskOrMissing>>;
  /** One query by itself, whatever else is asked: for decisions that hang on the very moment. */
  now(id: string, signal: AbortSignal): Promise<TaskOrMissing>;
  /** For other uses of the list. */
  readonly lists: RateLimiter;
}

interface Parts {
  get(id: string, signal: AbortSignal): Promise<TaskOrMissing>;
  list(ids: readonly string[], signal: AbortSignal): Promise<readonly ArkTask[]>;
  /** Ids in one list request, at most. */
  readonly batch: number;
  /** Aborted when the provider is closed. */
  readonly closing: AbortSignal;
  /** What the account allows. */
  readonly queriesPerSecond: number;
  /** This node's part of both limits. */
  readonly share?: RateShare | undefined;
  readonly time?: RateLimiterTime;
  readonly log: Pick<Log, 'warn'>;
}

/** Somebody who waits for the list's turn; undefined: no answer. */
type Waiting = PromiseWithResolvers<TaskOrMissing | undefined>;

/**
 * "Queries a second of an account: query 20, list 1" ("Video generation tutorial", "Limitations"). Lists keep a tenth of a second
 * more apart than they must, since two may travel at different speeds.
 */
const LISTS = { perSecond: 1 / 1.1, burst: 1 };

/** From so many on, a list that may go now is better than queries. */
const MANY = 4;

/** Why a list may be refused although the tasks can be queried. */
const REFUSALS: ReadonlySet<Reason> = new Set(['invalid_request', 'auth_failed']);

/** For one list request, which many wait for. Milliseconds. */
const LIST_MS = 30_000;

export function createStatusBatcher(parts: Parts): StatusBatcher {
  const { closing, batch } = parts;
  // Half is the rate and half the burst: no second sees more than both.
  const half = parts.queriesPerSecond / 2;
  const { share } = parts;
  const queries = createRateLimiter({ perSecond: half, burst: Math.max(1, half), share }, parts.time);
  const lists = createRateLimiter({ ...LISTS, share, undivided: true }, parts.time);
  const waiting = new Map<string, Waiting>();
  let turnTaken = false;

  function queue(id: string): Promise<TaskOrMissing | undefined> {
    let entry = waiting.get(id);
    if (!entry) {
      entry = Promise.withResolvers();
      // Whoever asked may have given up.
      entry.promise.catch(() => undefined);
      waiting.set(id, entry);
      void flush();
    }
    return entry.promise;
  }

  /** Asks for what waits, in the order of coming, whenever it is the list's turn. */
  async function flush(): Promise<void> {
    if (turnTaken) return;
    turnTaken = true;
    while (waiting.size > 0) {
      let entries: [string, Waiting][] = [...waiting];
      try {
        await lists.turn(closing);
        entries = [...waiting].slice(0, batch);
        for (const [id] of entries) waiting.delete(id);
        const signal = AbortSignal.any([closing, AbortSignal.timeout(LIST_MS)]);
        const answers = await listed(
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
    turnTaken = false;
  }

  /**
   * A key of custom permissions may query tasks and not list them ("filter.model is required" then): a refusal of the list
   * itself says nothing of the tasks.
   */
  async function list(ids: readonly string[], signal: AbortSignal): Promise<readonly ArkTask[]> {
    try {
      return await parts.list(ids, signal);
    } catch (error) {
      if (!(error instanceof UpstreamError) || !REFUSALS.has(error.reason)) throw error;
      parts.log.warn(
        { event: 'upstream.list_refused', detail: error.detail },
        'Ark refuses to list tasks; they are polled one by one',
      );
      return [];
    }
  }

  /** What the list does not show is asked for by itself, as far as queries are left: it may filter more than it says. */
  async function listed(ids: readonly string[], signal: AbortSignal): Promise<Map<string, TaskOrMissing>> {
    const wanted = new Set(ids);
    const answers = new Map<string, TaskOrMissing>();
    for (const task of await list(ids, signal)) {
      const complete = task.status !== 'succeeded' || Boolean(task.content?.video_url);
      if (wanted.has(task.id) && complete) answers.set(task.id, task);
    }
    const rest = ids.filter((id) => !answers.has(id) && queries.take());
    for (const [id, answer] of await each(rest, signal)) answers.set(id, answer);
    return answers;
  }

  async function each(ids: readonly string[], signal: AbortSignal): Promise<Map<string, TaskOrMissing>> {
    return new Map(
      await Promise.all(ids.map(async (id) => [id, await parts.get(id, signal)] as [string, TaskOrMissing])),
    );
  }

  async function now(id: string, signal: AbortSignal): Promise<TaskOrMissing> {
    await unlessGivenUp(queries.turn(signal), signal);
    return parts.get(id, signal);
  }

  return {
    lists,
    now,
    async one(id, signal) {
      if (queries.take()) return parts.get(id, signal);
      return (await unlessGivenUp(queue(id), signal)) ?? now(id, signal);
    },
    async many(ids, signal) {
      if (ids.length >= MANY && ids.length <= batch && lists.take()) return listed(ids, signal);
      if (queries.take(ids.length)) return each(ids, signal);
      const answers = await unlessGivenUp(Promise.all(ids.map(queue)), signal);
      return new Map(
        ids.flatMap((id, index) => {
          const answer = answers[index];
          return answer === undefined ? [] : [[id, answer]];
        }),
      );
    },
  };
}
