import type { Clock } from '../clock.ts';
import { createRandom, type Random } from '../random.ts';
import type { Job, JobRequest, Pace } from './job.ts';
import { type Ending, type Plan, planOf } from './markers.ts';
import type { Schedule } from './schedule.ts';
import { createStateMachine, type Entry, type Pool } from './stateMachine.ts';

/** The jobs of one upstream. Every method first runs what is due by the clock. */
export interface Jobs<Details = unknown> {
  submit(request: JobRequest<Details>): Job<Details>;
  find(id: string): Job<Details> | undefined;
  /** In the order of creation, without removed jobs. */
  all(): readonly Job<Details>[];
  /** How many jobs are not over, of one account or of all. */
  unfinished(account?: string): number;
  /** Cancels a job. Returns false if it is over. */
  cancel(job: Job<Details>): boolean;
  /** Ends a job now with the ending that its markers name, even a held one. Returns false if it is over. */
  finish(job: Job<Details>): boolean;
  /** From now on the result cannot be fetched, as after its retention time. */
  loseResult(job: Job<Details>): void;
  /** Forgets a job. One that is not over is cancelled first. */
  remove(job: Job<Details>): void;
}

export function createJobs<Details>(options: {
  readonly upstream: string;
  readonly seed: string;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Endings that this upstream does not have, each with the ending that it has instead. */
  readonly endings: Partial<Readonly<Record<Ending, Ending>>>;
  /** The id of the next job, if it is not to have one of the upstream's own. */
  readonly givenId: () => string | undefined;
  /** The pace of a model; undefined if there is no such model. */
  readonly paceOf: (model: string) => Pace | undefined;
  /** Called after every change of state, creation included. */
  readonly onChange: (job: Job<Details>, at: number) => void;
}): Jobs<Details> {
  const { clock, schedule } = options;
  const states = createStateMachine({ schedule, onChange: options.onChange });
  const entries = new Map<string, Entry<Details>>();
  const pools = new Map<string, Pool<Details>>();
  /** How often each prompt was submitted. The random numbers of a job depend on it, and not on other clients' jobs. */
  const occurrences = new Map<string, number>();

  function entryOf(request: JobRequest<Details>): Entry<Details> {
    const { model, prompt } = request;
    const text = `${model} ${prompt}`;
    const occurrence = occurrences.get(text) ?? 0;
    occurrences.set(text, occurrence + 1);
    const random = createRandom(`${options.seed} ${options.upstream} ${text} ${occurrence}`);
    const { queueMs, ...drawn } = draw(request, random, options);
    let ownId = request.newId(random);
    while (entries.has(ownId)) ownId = request.newId(random);
    const givenId = options.givenId();
    const id = givenId === undefined || entries.has(givenId) ? ownId : givenId;
    const entry: Entry<Details> = {
      ...newJob(request, drawn),
      id,
      ownId,
      upstream: options.upstream,
      createdAt: clock.now(),
      random,
      pool: poolOf(request, pools),
      runMs: drawn.runMs,
    };
    const admitAt = entry.createdAt + queueMs;
    if (Number.isFinite(admitAt)) schedule.plan(admitAt, (at) => states.admit(entry, at));
    if (request.expiresAfterMs !== undefined) {
      schedule.plan(entry.createdAt + clock.scaled(request.expiresAfterMs), (at) =>
        states.end(entry, at, 'expired'),
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
      states.created(entry);
      return entry;
    },
    find,
    all() {
      schedule.settle();
      return [...entries.values()];
    },
    unfinished(account) {
      schedule.settle();
      return states.unfinished(account);
    },
    cancel(job) {
      const entry = findUnfinished(job);
      if (!entry) return false;
      states.end(entry, clock.now(), 'cancelled');
      return true;
    },
    finish(job) {
      const entry = findUnfinished(job);
      if (!entry) return false;
      const now = clock.now();
      // Even beyond the places of the pool: the caller wants this job to finish now.
      if (entry.state === 'queued') states.start(entry, now);
      states.end(entry, now);
      return true;
    },
    loseResult(job) {
      const entry = find(job.id);
      if (entry) entry.plan = { ...entry.plan, lost: true };
    },
    remove(job) {
      const entry = find(job.id);
      if (entry) states.end(entry, clock.now(), 'cancelled');
      entries.delete(job.id);
    },
  };
}

/** The pool that a request names. Requests that name the same pool share it. */
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

/** How a job ends and how long it takes, in real milliseconds. The order of the draws matters: changing it changes the outcome of every seed. */
function draw<Details>(
  { model, prompt, atOnce, seed }: JobRequest<Details>,
  random: Random,
  { endings, paceOf, clock }: Pick<Parameters<typeof createJobs<Details>>[0], 'endings' | 'paceOf' | 'clock'>,
): Drawn & { readonly queueMs: number } {
  const marked = planOf(prompt);
  const plan = { ...marked, ending: endings[marked.ending] ?? marked.ending };
  const pace = paceOf(model);
  if (!pace) throw new TypeError(`the model ${model} has no pace`);
  const factor = atOnce ? 0 : typeof plan.pace === 'number' ? plan.pace : 1;
  const totalMs = clock.scaled(random.logNormal(pace.medianMs, sigmaOf(pace)) * factor);
  const waitMs = totalMs * random.next() * 2 * pace.queueShare;
  const queueMs = plan.pace === 'waits' ? Number.POSITIVE_INFINITY : waitMs;
  const runMs = plan.pace === 'runs' ? Number.POSITIVE_INFINITY : totalMs - waitMs;
  return { plan, queueMs, runMs, seed: seed ?? random.integer(2 ** 31) };
}

/** The 90th percentile of the standard normal distribution. */
const NINETIETH = 1.2815515655446004;

const sigmaOf = ({ medianMs, p90Ms }: Pace): number => Math.log(p90Ms / medianMs) / NINETIETH;

function newJob<Details>(
  { account, model, prompt, video, details }: JobRequest<Details>,
  { plan, seed }: Drawn,
): Omit<Entry<Details>, 'id' | 'ownId' | 'upstream' | 'createdAt' | 'random' | 'pool' | 'runMs'> {
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
