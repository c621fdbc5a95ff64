import { LRUCache } from 'lru-cache';
import { familyOf, type KeyWithProject, type Limits } from '../store/projects.ts';
import type { SharedLimitStore } from '../store/store.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { Clock } from '../time/clock.ts';

/**
 * Requests a minute of keys and projects, counted by the minutes of UTC. On several nodes the database counts: a node takes requests from it,
 * of large limits a few ahead. A limit is never exceeded; what a node has taken ahead and does not use, 1% of the limit at most, others miss.
 */
export interface RequestRates {
  /** What the limits of a key are after one more request; undefined if it has none. Throws the 429 if one is reached, with its own. */
  take(key: KeyWithProject): Promise<readonly RateState[]> | undefined;
}

/** A limit after a request. */
export interface RateState {
  readonly name: 'key' | 'project';
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the minute ends. */
  readonly resetSeconds: number;
}

/** A limit that is reached. */
export class TooManyRequests extends OnetakeError {
  readonly state: RateState;

  constructor(state: RateState) {
    const whose = state.name === 'key' ? 'This API key' : 'The project of this API key';
    const message = `${whose} may make ${state.limit} requests a minute, and has made them; try again in ${state.resetSeconds} seconds.`;
    super('too_many_requests', 429, message, { retryAfterSeconds: state.resetSeconds });
    this.state = state;
  }
}

const MINUTE_MS = 60_000;
/** Keys and projects with a limit whose minute is remembered. One that is forgotten may make as many requests again. */
const MOST_SUBJECTS = 100_000;
/** The part of a limit that a node takes from the database at a time. */
const AHEAD = 1 / 100;

/** A minute of a key or project on this node. */
interface Minute {
  readonly minute: number;
  readonly limit: number;
  /** Taken, and not used yet. */
  left: number;
  /** Of what was there for all nodes, as far as this one knows. */
  elsewhere: number;
  taking: Promise<void> | undefined;
}

/** Whether a request of a key is counted. */
export const isRated = ({ limits, project }: KeyWithProject): boolean =>
  limits?.requestsPerMinute !== undefined || project.limits?.requestsPerMinute !== undefined;

/** Without a shared store, this node counts alone. */
export function createRequestRates(
  shared: Pick<SharedLimitStore, 'takeRequests'> | undefined,
  clock: Pick<Clock, 'now'>,
): RequestRates {
  const minutes = new LRUCache<string, Minute>({ max: MOST_SUBJECTS });

  function current(subject: string, limit: number): Minute {
    const minute = Math.floor(clock.now() / MINUTE_MS);
    const known = minutes.get(subject);
    // A clock that was set back does not begin a minute again.
    if (known && known.minute >= minute && known.limit === limit) return known;
    const left = shared ? 0 : limit - (known?.minute === minute ? known.limit - known.left : 0);
    const fresh: Minute = { minute, limit, left, elsewhere: shared ? limit : 0, taking: undefined };
    minutes.set(subject, fresh);
    return fresh;
  }

  async function takeShared(subject: string, of: Minute, from: NonNullable<typeof shared>): Promise<void> {
    const wanted = Math.max(1, Math.floor(of.limit * AHEAD));
    const before = await from.takeRequests(subject, of.minute, wanted);
    of.left += Math.max(0, Math.min(wanted, of.limit - before));
    of.elsewhere = Math.max(0, of.limit - before - wanted);
  }

  async function takeOf(name: RateState['name'], subject: string, limit: number): Promise<RateState> {
    for (;;) {
      const of = current(subject, limit);
      if (of.left > 0) {
        of.left -= 1;
        return stateOf(name, of);
      }
      if (!shared || of.elsewhere <= 0) throw new TooManyRequests(stateOf(name, of));
      of.taking ??= takeShared(subject, of, shared).finally(() => {
        of.taking = undefined;
      });
      await of.taking;
    }
  }

  function stateOf(name: RateState['name'], { limit, minute, left, elsewhere }: Minute): RateState {
    const ms = (minute + 1) * MINUTE_MS - clock.now();
    const remaining = Math.max(0, left) + elsewhere;
    return { name, limit, remaining, resetSeconds: Math.max(1, Math.ceil(ms / 1000)) };
  }

  async function take(key: KeyWithProject): Promise<RateState[]> {
    const states: RateState[] = [];
    for (const { name, subject, limit } of ratesOf(key)) states.push(await takeOf(name, subject, limit));
    return states;
  }

  return { take: (key) => (isRated(key) ? take(key) : undefined) };
}

function ratesOf(key: KeyWithProject) {
  const rate = (name: RateState['name'], id: string, limits: Limits | undefined) =>
    limits?.requestsPerMinute === undefined
      ? []
      : [{ name, subject: `${name}:${id}`, limit: limits.requestsPerMinute }];
  return [...rate('key', familyOf(key), key.limits), ...rate('project', key.projectId, key.project.limits)];
}
