import type { Clock } from '../clock.ts';
import { createRandom, type Random } from '../random.ts';
import type { Failure, Job, JobRequest, JobState } from './job.ts';
import { type Ending, type Plan, planOf } from './markers.ts';
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
  readonly schedule: Schedule;
  /** Endings that the upstream does not know, and what it makes of them. */
  readonly endings: Partial<Readonly<Record<Ending, Ending>>>;
  /** Called after every change of state, creation included. */
  readonly onChange: (job: Job<Details>, at: number) => void;
}): Jobs<Details> {
  const { clock, schedule } = options;
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
    start(entry, at);
    entry.endsAt = at + entry.runMs;
    if (Number.isFinite(entry.endsAt)) schedule.plan(entry.endsAt, (due) => end(entry, due));
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

  function entryOf(request: JobRequest<Details>): Entry<Details> {
    const { model, prompt } = request;
    const text = `${model} ${prompt}`;
    const occurrence = occurrences.get(text) ?? 0;
    occurrences.set(text, occurrence + 1);
    const random = createRandom(`${options.seed} ${options.upstream} ${text} ${occurrence}`);
    const { queueMs, ...drawn } = draw(request, random, options.endings, clock);
    let id = request.newId(random);
    while (entries.has(id)) id = request.newId(random);
    const entry: Entry<Details> = {
      ...newJob(request, drawn),
      id,
      upstream: options.upstream,
      createdAt: clock.now(),
      random,
      pool: poolOf(request, pools),
      runMs: drawn.runMs,
    };
    const admitAt = entry.createdAt + clock.scaled(random.logNormal(1, request.pace.sigma) * queueMs);
    if (Number.isFinite(admitAt)) schedule.plan(admitAt, (at) => admit(entry, at));
    if (request.expiresAfterMs !== undefined) {
      schedule.plan(entry.createdAt + clock.scaled(request.expiresAfterMs), (at) =>
        end(entry, at, 'expired'),
      );
    }
    return entry;
  }

  const find = (id: string): Entry<Details> | undefined => {
    schedule.settle();
    return entries.get(id);
  };
  const findUnfinished = ({ id }: Job<Details>): Entry<Details> | undefined => {
    const entry = find(id);
    return entry?.endedAt === undefined ? entry : undefined;
  };

  return {
    submit(request) {
      schedule.settle();
      const entry = entryOf(request);
      entries.set(entry.id, entry);
      active.set(entry.account, (active.get(entry.account) ?? 0) + 1);
      options.onChange(entry, entry.createdAt);
      return entry;
    },
    find,
    all() {
      schedule.settle();
      return [...entries.values()];
    },
    unfinished(account) {
      schedule.settle();
      if (account !== undefined) return active.get(account) ?? 0;
      return [...active.values()].reduce((sum, count) => sum + count, 0);
    },
    cancel(job) {
      const entry = findUnfinished(job);
      if (!entry) return false;
      end(entry, clock.now(), 'cancelled');
      return true;
    },
    finish(job) {
      const entry = findUnfinished(job);
      if (!entry) return false;
      const now = clock.now();
      if (entry.state === 'queued') {
        // Beyond the pool's places, if need be: whoever finishes by hand knows.
        start(entry, now);
        options.onChange(entry, now);
      }
      end(entry, now);
      return true;
    },
    loseResult(job) {
      const entry = find(job.id);
      if (entry) entry.plan = { ...entry.plan, lost: true };
    },
    remove(job) {
      const entry = find(job.id);
      if (entry) end(entry, clock.now(), 'cancelled');
      entries.delete(job.id);
    },
  };
}

function start(entry: Entry<unknown>, at: number): void {
  if (entry.pool) entry.pool.running++;
  entry.state = 'running';
  entry.startedAt = at;
}

/** The pool that a request names, the same for all that name it. */
function poolOf<Details>(
  { pool }: JobRequest<Details>,
  pools: Map<string, Pool<Details>>,
): Pool<Details> | undefined {
  if (!pool) return undefined;
  const known = pools.get(pool.name) ?? { places: pool.places, running: 0, waiting: [] };
  pools.set(pool.name, known);
  return known;
}

interface Drawn {
  readonly plan: Plan;
  readonly seed: number;
  readonly runMs: number;
}

/** What becomes of a job, and how long it takes. The order of the draws decides what every seed comes to. */
function draw<Details>(
  { prompt, pace, seed }: JobRequest<Details>,
  random: Random,
  endings: Partial<Readonly<Record<Ending, Ending>>>,
  clock: Clock,
): Drawn & { readonly queueMs: number } {
  const marked = planOf(prompt);
  const plan = { ...marked, ending: endings[marked.ending] ?? marked.ending };
  const factor = typeof plan.pace === 'number' ? plan.pace : 1;
  const queueMs = plan.pace === 'waits' ? Number.POSITIVE_INFINITY : pace.queueMs * factor;
  const runMs =
    plan.pace === 'runs'
      ? Number.POSITIVE_INFINITY
      : clock.scaled(random.logNormal(pace.runMs, pace.sigma) * factor);
  return { plan, queueMs, runMs, seed: seed ?? random.integer(2 ** 31) };
}

function newJob<Details>(
  { account, model, prompt, video, details }: JobRequest<Details>,
  { plan, seed }: Drawn,
): Omit<Mutable<Job<Details>>, 'id' | 'upstream' | 'createdAt' | 'random'> {
  return {
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
    seed,
    details,
    state: 'queued',
    failure: undefined,
    startedAt: undefined,
    endsAt: undefined,
    endedAt: undefined,
  };
}
