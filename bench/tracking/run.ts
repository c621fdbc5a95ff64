import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SimulatorsOptions } from '@onetake/simulators';
import { startChild } from '../../chaos/shared/rpc.ts';
import { freePort } from '../../scripts/servers/freePort.ts';
import type { Typical } from '../cluster/steadyState.ts';
import {
  createHttpClient,
  type HttpClient,
  pollAsTold,
  pollUpstream,
  type Seen,
  submit,
  waitForEnd,
} from './clients.ts';
import type { Family } from './families.ts';
import { type Gateway, startGateway } from './gateway.ts';
import type { Addresses, RequestCounts, UpstreamCalls, UpstreamJob } from './upstreams.ts';

/** A version of the gateway. */
export interface GatewayContender {
  readonly name: string;
  /** Where it is started from. */
  readonly checkout: string;
  /** Whether the upstream calls it back. */
  readonly callbacks: boolean;
}

/** Clients without a gateway, each of which polls the upstream itself. */
export interface DirectContender {
  readonly name: string;
  readonly pollEveryMs: number;
}

export type Contender = GatewayContender | DirectContender;

export const TIMES = ['catalogue', 'shorter'] as const;
export type Times = (typeof TIMES)[number];

/** The load, the same for each contender: so are the durations of the jobs. */
export interface Load {
  readonly family: Family;
  readonly inFlight: number;
  /** Tasks in all. */
  readonly tasks: number;
  /** How many times as fast as in reality jobs are made. */
  readonly speed: number;
  /** Over how long the first submissions are spread. */
  readonly spreadSeconds: number;
  /** How long a job usually takes, as the gateway's catalogue has it. */
  readonly typical: Typical;
  /** Which times jobs take: the catalogue's, or much shorter ones, of which the catalogue knows nothing. */
  readonly times: Times;
  /** Members of the gateway's account besides its limits. */
  readonly account: Readonly<Record<string, unknown>>;
}

/** Where a contender may work, and until when. */
export interface Place {
  /** A folder that does not exist yet. It is removed at the end. */
  readonly dir: string;
  /** Creates an empty database; undefined for the embedded store. */
  readonly database: (() => Promise<string>) | undefined;
  readonly signal: AbortSignal;
}

/** What was seen of a task: by its upstream, by the gateway, and by its clients. */
export interface TaskRecord {
  readonly prompt: string;
  /** At the gateway. */
  readonly id?: string;
  /** When the gateway knew the end. Milliseconds UTC. */
  readonly gatewayAt?: number | undefined;
  readonly direct?: Seen;
  readonly waiting?: Seen;
  readonly told?: Seen;
}

/** The state of the processes at a moment. */
export interface Reading {
  /** Milliseconds, monotonic. */
  readonly at: number;
  readonly requests: RequestCounts;
  readonly cpuUs: number | undefined;
  readonly heapBytes: number | undefined;
}

export interface Observations {
  readonly tasks: readonly TaskRecord[];
  readonly jobs: readonly UpstreamJob[];
  /** Before the first submission, once all places are taken, when no task is left to submit, and at the end. */
  readonly idle: Reading;
  readonly full: Reading;
  readonly draining: Reading;
  readonly over: Reading;
}

/** From this number of tasks on their memory can be told from the fluctuation of the process. */
export const MEMORY_FROM = 1000;

/** One contender under load, from the start of its processes to their end. */
export async function observe(contender: Contender, load: Load, place: Place): Promise<Observations> {
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rm(place.dir, { recursive: true, force: true }));
  const upstreams = startChild<UpstreamCalls>(new URL('./upstreams.ts', import.meta.url));
  opened.defer(() => upstreams.close());
  const { family, inFlight, speed } = load;
  const addresses = await upstreams.call('start', {
    seed: 'tracking',
    scale: 1 / speed,
    keptScale: 1,
    encodeAhead: true,
    only: [family.upstream],
    ...(load.times === 'shorter' ? { pace: shorter(load.typical) } : {}),
    ...family.simulator(inFlight),
  });
  const gateway =
    'checkout' in contender ? opened.use(await startContender(contender, load, addresses, place)) : undefined;
  const { setting } = family.callbacks ?? {};
  if (gateway && setting !== undefined && 'callbacks' in contender && contender.callbacks) {
    const address = `${gateway.url}/callbacks/${family.name}`;
    await upstreams.call('configure', family.upstream, { [setting]: address });
  }
  const read = async (collect = false): Promise<Reading> => ({
    requests: await upstreams.call('requests'),
    ...((await gateway?.usage({ collect: collect && inFlight >= MEMORY_FROM })) ?? NOTHING),
    at: performance.now(),
  });
  const http = opened.use(clientOf(gateway, family, addresses));
  const follow =
    'pollEveryMs' in contender ? directly(http, family, contender.pollEveryMs) : throughGateway(http, family);

  const idle = await read(true);
  const { tasks, full, draining } = await keepInFlight(load, follow, read, place.signal);
  const over = await read();
  return {
    tasks: tasks.map((task) => ({ ...task, gatewayAt: gateway?.ends.get(task.id ?? '') })),
    jobs: await upstreams.call('jobs'),
    idle,
    full,
    draining,
    over,
  };
}

/** How much of the catalogue's times `shorter` ones are: the catalogue errs by two and a half times. */
const SHORTER = 0.4;
/** The mean part of a job's time for which it is queued. */
const QUEUED = 0.05;

const shorter = ({ medianSeconds, p90Seconds }: Typical): NonNullable<SimulatorsOptions['pace']> => ({
  medianMs: medianSeconds * 1000 * SHORTER,
  p90Ms: p90Seconds * 1000 * SHORTER,
  queueShare: QUEUED,
});

const NOTHING = { cpuUs: undefined, heapBytes: undefined };

function clientOf(gateway: Gateway | undefined, { direct }: Family, { url, key }: Addresses): HttpClient {
  if (!gateway) return createHttpClient(url, direct.headers(key));
  return createHttpClient(gateway.url, { authorization: `Bearer ${gateway.apiKey}` });
}

async function startContender(
  { checkout, callbacks }: GatewayContender,
  { family, inFlight, speed, typical, account }: Load,
  { environment }: Addresses,
  { dir, database }: Place,
): Promise<Gateway> {
  const port = String(await freePort());
  const limits = {
    // As many as the load needs: polls alone are limited.
    in_flight: 2 * inFlight,
    submits_per_minute: 60_000,
    polls_per_second: family.pollsPerSecond,
  };
  return startGateway({
    checkout,
    dir: join(dir, 'gateway'),
    settings: {
      accounts: { [family.name]: { ...family.account(environment, callbacks), ...account, limits } },
      ...(speed === 1 ? {} : { models: { [family.model]: { typical: shortened(typical, speed) } } }),
    },
    environment: {
      ...environment,
      ONETAKE_PORT: port,
      ONETAKE_PREVIEW_CONCURRENCY: '0',
      ...(callbacks ? { ONETAKE_PUBLIC_URL: `http://127.0.0.1:${port}` } : {}),
      ...(database ? { ONETAKE_DATABASE_URL: await database() } : {}),
    },
  });
}

function shortened({ medianSeconds, p90Seconds }: Typical, speed: number): Typical {
  return { medianSeconds: medianSeconds / speed, p90Seconds: p90Seconds / speed };
}

/** Follows a task: `ended` when a client knows its end, `record` when all of its clients do. */
interface Followed {
  readonly ended: Promise<unknown>;
  readonly record: Promise<TaskRecord>;
}

type Follow = (prompt: string, signal: AbortSignal) => Promise<Followed>;

/** Two clients of the gateway query each task: one waits, the other one comes back when it is told to. */
function throughGateway(http: HttpClient, family: Family): Follow {
  return async (prompt, signal) => {
    const id = await submit(http, family, prompt, signal);
    const ended = waitForEnd(http, id, signal);
    const record = Promise.all([ended, pollAsTold(http, id, signal)]).then(([waiting, told]) => ({
      prompt,
      id,
      waiting,
      told,
    }));
    return { ended, record };
  };
}

function directly(http: HttpClient, family: Family, everyMs: number): Follow {
  return async (prompt, signal) => {
    const ended = pollUpstream(http, family, { prompt, everyMs, signal });
    return { ended, record: ended.then((direct) => ({ prompt, direct })) };
  };
}

/** How long after the last submission tasks are followed, in 90th percentiles of a job: a few take many times as long as the others. */
const PATIENCE = 2;
/** … and in addition, for whoever is to know their ends. Milliseconds. */
const LATE_MS = 120_000;

/**
 * Keeps the number of tasks in flight until all have been submitted. The first ones are spread over the time that the load says. Tasks that
 * take too long are left out.
 */
async function keepInFlight(
  { inFlight, tasks, typical, speed, spreadSeconds }: Load,
  follow: Follow,
  read: (collect?: boolean) => Promise<Reading>,
  signal: AbortSignal,
): Promise<Pick<Observations, 'tasks' | 'full' | 'draining'>> {
  const patienceMs = (PATIENCE * typical.p90Seconds * 1000) / speed + LATE_MS;
  const overdue = new AbortController();
  const followed = AbortSignal.any([signal, overdue.signal]);
  const unlessOverdue = <T>(work: Promise<T>): Promise<T | undefined> =>
    work.catch((error) => {
      if (signal.aborted || !overdue.signal.aborted) throw error;
      return undefined;
    });
  const records: Promise<TaskRecord | undefined>[] = [];
  let [full, draining]: Promise<Reading>[] = [];
  let timer: NodeJS.Timeout | undefined;
  let next = 0;
  const place = async (index: number): Promise<void> => {
    await sleep((index / inFlight) * spreadSeconds * 1000, undefined, { signal });
    if (index === inFlight - 1) full = read(true);
    while (next < tasks) {
      const { ended, record } = await follow(`a paper boat, number ${next++}`, followed);
      const known = unlessOverdue(record);
      // Whoever waits for all records gets the error.
      known.catch(() => undefined);
      records.push(known);
      await unlessOverdue(ended);
    }
    draining ??= read();
    timer ??= setTimeout(() => overdue.abort(), patienceMs);
  };
  try {
    await Promise.all(Array.from({ length: inFlight }, (_, index) => place(index)));
    const done = (await Promise.all(records)).filter((record) => record !== undefined);
    if (!full || !draining) throw new Error('there are no tasks');
    return { tasks: done, full: await full, draining: await draining };
  } finally {
    clearTimeout(timer);
  }
}
