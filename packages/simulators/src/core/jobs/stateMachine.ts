import type { Failure, Job, JobState } from './job.ts';
import type { Ending } from './markers.ts';
import type { Schedule } from './schedule.ts';

/** Moves jobs from state to state, and waiting ones into the free places of their pool. */
export interface StateMachine<Details> {
  /** Counts and announces a new job. */
  created(entry: Entry<Details>): void;
  /** Starts a queued job if its pool has a free place. Otherwise it waits for one. */
  admit(entry: Entry<Details>, at: number): void;
  /** Starts a job even if its pool is full. */
  start(entry: Entry<Details>, at: number): void;
  /** Ends a job that is not over: as planned, or in the given state. */
  end(entry: Entry<Details>, at: number, state?: JobState): void;
  /** How many jobs are not over, of one account or of all. */
  unfinished(account?: string): number;
}

/** A job as this module changes it. */
export interface Entry<Details> extends Mutable<Job<Details>> {
  readonly pool: Pool<Details> | undefined;
  readonly runMs: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Jobs that share a number of places. */
export interface Pool<Details> {
  readonly places: number;
  running: number;
  readonly waiting: Entry<Details>[];
}

/** The state of a job after each planned ending. */
const ENDINGS: Readonly<Record<Ending, { state: JobState; failure?: Failure }>> = {
  success: { state: 'succeeded' },
  filtered: { state: 'succeeded' },
  partial: { state: 'succeeded' },
  refused: { state: 'failed', failure: 'moderation' },
  moderation: { state: 'failed', failure: 'moderation' },
  failure: { state: 'failed', failure: 'internal' },
  invalid: { state: 'failed', failure: 'invalid' },
  expiry: { state: 'expired' },
};

export function createStateMachine<Details>({
  schedule,
  onChange,
}: {
  readonly schedule: Schedule;
  /** Called after every change of state, creation included. */
  readonly onChange: (job: Job<Details>, at: number) => void;
}): StateMachine<Details> {
  /** Jobs that are not over, by account. */
  const active = new Map<string, number>();

  function start(entry: Entry<Details>, at: number): void {
    if (entry.pool) entry.pool.running++;
    entry.state = 'running';
    entry.startedAt = at;
    onChange(entry, at);
  }

  function admit(entry: Entry<Details>, at: number): void {
    if (entry.state !== 'queued') return;
    const { pool } = entry;
    if (pool && pool.running >= pool.places) {
      pool.waiting.push(entry);
      return;
    }
    entry.endsAt = at + entry.runMs;
    if (Number.isFinite(entry.endsAt)) schedule.plan(entry.endsAt, (due) => end(entry, due));
    start(entry, at);
  }

  function end(entry: Entry<Details>, at: number, state?: JobState): void {
    if (entry.state !== 'queued' && entry.state !== 'running') return;
    const ran = entry.state === 'running';
    const ending = ENDINGS[entry.plan.ending];
    entry.state = state ?? ending.state;
    entry.failure = state ? undefined : ending.failure;
    entry.endedAt = at;
    active.set(entry.account, (active.get(entry.account) ?? 1) - 1);
    onChange(entry, at);
    if (entry.pool && ran) {
      entry.pool.running--;
      fill(entry.pool, at);
    }
  }

  function fill(pool: Pool<Details>, at: number): void {
    while (pool.running < pool.places) {
      const waiting = pool.waiting.shift();
      if (!waiting) return;
      admit(waiting, at);
    }
  }

  return {
    created(entry) {
      active.set(entry.account, (active.get(entry.account) ?? 0) + 1);
      onChange(entry, entry.createdAt);
    },
    admit,
    start,
    end,
    unfinished(account) {
      if (account !== undefined) return active.get(account) ?? 0;
      return [...active.values()].reduce((sum, count) => sum + count, 0);
    },
  };
}
