import type { Logger } from 'pino';
import type { Reason } from '../../tasks/reasons.ts';
import { createPace, type Pace, type PaceTime } from '../http/rateLimiter.ts';
import { unlessGivenUp } from '../http/unlessGivenUp.ts';
import { UpstreamError } from '../provider.ts';
import type { RateShare } from '../rateShare.ts';
import type { ArkTask } from './wire.ts';

/** What Ark says of an id: its task, or that it knows none. */
export type Told = ArkTask | 'missing';

/**
 * Asks about tasks within Ark's two limits. A few questions are asked one by one; what is more than the queries allow waits for
 * the list's next turn, a second at most, and is asked in one request: the wait does not grow with the number of tasks.
 */
export interface Questions {
  one(id: string, signal: AbortSignal): Promise<Told>;
  /** Ids that are not in the answer were not told. */
  many(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Told>>;
  /** One query by itself, whatever else is asked: for decisions that hang on the very moment. */
  now(id: string, signal: AbortSignal): Promise<Told>;
  /** For other uses of the list. */
  readonly lists: Pace;
}

interface Parts {
  get(id: string, signal: AbortSignal): Promise<Told>;
  list(ids: readonly string[], signal: AbortSignal): Promise<readonly ArkTask[]>;
  /** Ids in one list request, at most. */
  readonly batch: number;
  /** Aborted when the provider is closed. */
  readonly closing: AbortSignal;
  /** What the account allows. */
  readonly queriesPerSecond: number;
  /** This node's part of both limits. */
  readonly share?: RateShare | undefined;
  readonly time?: PaceTime;
  readonly log: Pick<Logger, 'warn'>;
}

/** Somebody who waits for the list's turn; undefined: not told. */
type Waiting = PromiseWithResolvers<Told | undefined>;

/**
 * "Queries a second of an account: query 20, list 1" ("Video generation tutorial", "Limitations"). Lists keep a tenth of a second
 * more apart than they must, since two may travel at different speeds.
 */
const LISTS = { perSecond: 1 / 1.1, burst: 1 };

/** From so many on, a list that may go now is the better question. */
const MANY = 4;

/** Why a list may be refused although the tasks can be queried. */
const REFUSALS: ReadonlySet<Reason> = new Set(['invalid_request', 'auth_failed']);

/** For one list request, which many wait for. Milliseconds. */
const LIST_MS = 30_000;

export function createQuestions(parts: Parts): Questions {
  const { closing, batch } = parts;
  // Half is the rate and half the burst: no second sees more than both.
  const half = parts.queriesPerSecond / 2;
  const { share } = parts;
  const queries = createPace({ perSecond: half, burst: Math.max(1, half), share }, parts.time);
  const lists = createPace({ ...LISTS, share, undivided: true }, parts.time);
  const waiting = new Map<string, Waiting>();
  let turnTaken = false;

  function queue(id: string): Promise<Told | undefined> {
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
        const told = await listed(
          entries.map(([id]) => id),
          signal,
        );
        for (const [id, entry] of entries) entry.resolve(told.get(id));
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
      parts.log.warn({ detail: error.detail }, 'Ark refuses to list tasks; they are asked about one by one');
      return [];
    }
  }

  /** What the list does not show is asked for by itself, as far as queries are left: it may filter more than it says. */
  async function listed(ids: readonly string[], signal: AbortSignal): Promise<Map<string, Told>> {
    const wanted = new Set(ids);
    const told = new Map<string, Told>();
    for (const task of await list(ids, signal)) {
      const complete = task.status !== 'succeeded' || Boolean(task.content?.video_url);
      if (wanted.has(task.id) && complete) told.set(task.id, task);
    }
    const rest = ids.filter((id) => !told.has(id) && queries.take());
    for (const [id, answer] of await each(rest, signal)) told.set(id, answer);
    return told;
  }

  async function each(ids: readonly string[], signal: AbortSignal): Promise<Map<string, Told>> {
    return new Map(
      await Promise.all(ids.map(async (id) => [id, await parts.get(id, signal)] as [string, Told])),
    );
  }

  async function now(id: string, signal: AbortSignal): Promise<Told> {
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
      const told = await unlessGivenUp(Promise.all(ids.map(queue)), signal);
      return new Map(
        ids.flatMap((id, index) => {
          const answer = told[index];
          return answer === undefined ? [] : [[id, answer]];
        }),
      );
    },
  };
}
