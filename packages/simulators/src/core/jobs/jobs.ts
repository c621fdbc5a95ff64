import type { Clock } from '../clock.ts';
import { createRandom } from '../random.ts';
import type { Failure, Job, JobRequest, JobState } from './job.ts';
import type { Ending } from './markers.ts';
import { planOf } from './markers.ts';
import type { Schedule } from './schedule.ts';

/** The tasks of one upstream. Every method settles the clock first. */
export interface Jobs<Details = unknown> {
  submit(request: JobRequest<Details>): Job<Details>;
  find(id: string): Job<Details> | undefined;
  /** In the order of creation, without those that were removed. */
  all(): readonly Job<Details>[];
  /** Jobs not yet over: of an account, or of all. */
  unfinished(account?: string): number;
  /** Ends a job that is not over as `cancelled`; false where it is over. */
  cancel(job: Job<Details>): boolean;
  /** Ends a job now, as its markers say; false where it is over. Held ones too. */
  finish(job: Job<Details>): boolean;
  /** From here on its result cannot be fetched, as if it had been kept for long enough. */
  loseResult(job: Job<Details>): void;
  /** Forgets a job; one that is not over is cancelled first. */
  remove(job: Job<Details>): void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Entry<Details> extends Mutable<Job<Details>> {
  readonly pool: Pool<Details> | undefined;
  readonly runMs: number;
}

interface Pool<Details> {
  readonly places: number;
  running: number;
  readonly waiting: Entry<Details>[];
}

/** How each planned ending reads once the job is over. */
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

export function createJobs<Details>(options: {
  readonly upstream: string;
  readonly seed: string;
  readonly clock: Clock;
  readonly agenda: Schedule;
  /** Endings that the upstream does not know, and what it makes of them. */
  readonly endings: Partial<Readonly<Record<Ending, Ending>>>;
  /** Called after every change of state, creation included. */
  readonly onChange: (job: Job<Details>, at: number) => void;
}): Jobs<Details> {
  const { clock, agenda } = options;
  const entries = new Map<string, Entry<Details>>();
  const pools = new Map<string, Pool<Details>>();
  const active = new Map<string, number>();
  /** How often a prompt was submitted: what a job draws depends on that, not on what other clients do meanwhile. */
  const occurrences = new Map<string, number>();

  function admit(entry: Entry<Details>, at: number): void {
    if (entry.state !== 'queued') return;
    const { pool } = entry;
    if (pool && pool.running >= pool.places) {
      pool.waiting.push(entry);
      return;
    }
    if (pool) pool.running++;
    entry.state = 'running';
    entry.startedAt = at;
    entry.endsAt = at + entry.runMs;
    if (Number.isFinite(entry.endsAt)) agenda.plan(entry.endsAt, (due) => end(entry, due));
    options.onChange(entry, at);
  }

  function end(entry: Entry<Details>, at: number, state?: JobState): void {
    if (entry.state !== 'queued' && entry.state !== 'running') return;
    const ran = entry.state === 'running';
    const ending = ENDINGS[entry.plan.ending];
    entry.state = state ?? ending.state;
    entry.failure = state ? undefined : ending.failure;
    entry.endedAt = at;
    active.set(entry.account, (active.get(entry.account) ?? 1) - 1);
    options.onChange(entry, at);
    if (entry.pool && ran) {
      entry.pool.running--;
      next(entry.pool, at);
    }
  }

  function next(pool: Pool<Details>, at: number): void {
    while (pool.running < pool.places) {
      const waiting = pool.waiting.shift();
      if (!waiting) return;
      admit(waiting, at);
    }
  }

  function poolOf({ pool }: JobRequest<Details>): Pool<Details> | undefined {
    if (!pool) return undefined;
    const known = pools.get(pool.name) ?? { places: pool.places, running: 0, waiting: [] };
    pools.set(pool.name, known);
    return known;
  }

  function entryOf(request: JobRequest<Details>): Entry<Details> {
    const { account, model, prompt, video, pace } = request;
    const kind = `${model} ${prompt}`;
    const times = occurrences.get(kind) ?? 0;
    occurrences.set(kind, times + 1);
    const random = createRandom(`${options.seed} ${options.upstream} ${kind} ${times}`);
    const marked = planOf(prompt);
    const plan = { ...marked, ending: options.endings[marked.ending] ?? marked.ending };
    const factor = typeof plan.pace === 'number' ? plan.pace : 1;
    const queueMs = plan.pace === 'waits' ? Number.POSITIVE_INFINITY : pace.queueMs * factor;
    const runMs =
      plan.pace === 'runs'
        ? Number.POSITIVE_INFINITY
        : clock.scaled(random.logNormal(pace.runMs, pace.sigma) * factor);
    const createdAt = clock.now();
    const seed = request.seed ?? random.integer(2 ** 31);
    let id = request.newId(random);
    while (entries.has(id)) id = request.newId(random);
    const entry: Entry<Details> = {
      id,
      upstream: options.upstream,
      account,
      model,
      prompt,
      plan,
      video,
      delivered: {
        ...video,
        seconds: Math.max(1, video.seconds * plan.delivered),
        audio: video.audio && !plan.silent,
      },
      random,
      seed,
      details: request.details,
      createdAt,
      state: 'queued',
      failure: undefined,
      startedAt: undefined,
      endsAt: undefined,
      endedAt: undefined,
      pool: poolOf(request),
      runMs,
    };
    const admitAt = createdAt + clock.scaled(random.logNormal(1, pace.sigma) * queueMs);
    if (Number.isFinite(admitAt)) agenda.plan(admitAt, (at) => admit(entry, at));
    if (request.expiresAfterMs !== undefined) {
      agenda.plan(createdAt + clock.scaled(request.expiresAfterMs), (at) => end(entry, at, 'expired'));
    }
    return entry;
  }

  const known = (job: Job<Details>): Entry<Details> | undefined => {
    agenda.settle();
    return entries.get(job.id);
  };

  return {
    submit(request) {
      agenda.settle();
      const entry = entryOf(request);
      entries.set(entry.id, entry);
      active.set(entry.account, (active.get(entry.account) ?? 0) + 1);
      options.onChange(entry, entry.createdAt);
      return entry;
    },
    find(id) {
      agenda.settle();
      return entries.get(id);
    },
    all() {
      agenda.settle();
      return [...entries.values()];
    },
    unfinished(account) {
      agenda.settle();
      if (account !== undefined) return active.get(account) ?? 0;
      let sum = 0;
      for (const count of active.values()) sum += count;
      return sum;
    },
    cancel(job) {
      const entry = known(job);
      if (!entry || entry.endedAt !== undefined) return false;
      end(entry, clock.now(), 'cancelled');
      return true;
    },
    finish(job) {
      const entry = known(job);
      if (!entry || entry.endedAt !== undefined) return false;
      const now = clock.now();
      if (entry.state === 'queued') {
        // Beyond the pool's places, if need be: whoever finishes by hand knows.
        if (entry.pool) entry.pool.running++;
        entry.state = 'running';
        entry.startedAt = now;
        options.onChange(entry, now);
      }
      end(entry, now);
      return true;
    },
    loseResult(job) {
      const entry = known(job);
      if (entry) entry.plan = { ...entry.plan, lost: true };
    },
    remove(job) {
      const entry = known(job);
      if (entry) end(entry, clock.now(), 'cancelled');
      entries.delete(job.id);
    },
  };
}
