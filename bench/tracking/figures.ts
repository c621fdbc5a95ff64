import { type Distribution, distributionOf, meanOf } from '../shared/distribution.ts';
import type { Seen } from './clients.ts';
import { MEMORY_FROM, type Observations, type TaskRecord } from './run.ts';
import type { UpstreamJob } from './upstreams.ts';

/** Of the answers that said that a task is done within so many seconds, how many were right. */
export interface Calibration {
  readonly seconds: number;
  readonly said: number;
  readonly right: number;
}

/** The seconds for which what was said is compared with what came. */
const WITHIN = [1, 2, 5, 10, 30, 60] as const;

/** Figures for one contender under one load. */
export interface Figures {
  /** From the end of the upstream's job until whoever it is knows it. Milliseconds. */
  readonly delays: Readonly<Record<Observer, Distribution | undefined>>;
  /** From the moment when the gateway knows the end until a client that waits does: download, check, storage. Milliseconds. */
  readonly waitingAfterGateway: Distribution | undefined;
  /** How long jobs took upstream, from their submission to their end. Milliseconds. */
  readonly durations: Distribution | undefined;
  /** Polls and lists upstream, for each job. */
  readonly polls: number;
  /** All requests upstream, for each job. */
  readonly requests: number;
  /** Polls and lists a second with all tasks in flight, refused ones too, as a part of what the account allows. */
  readonly allowance: number;
  /** Queries of a client, for each task. */
  readonly queries: Readonly<Record<'direct' | 'waiting' | 'told', number>>;
  /** CPU time of the gateway with all tasks in flight. Of one core; undefined without a gateway. */
  readonly cores: number | undefined;
  /** The same of the simulators. */
  readonly upstreamCores: number;
  /** Heap of the gateway for each task in flight; undefined without a gateway, or with too few tasks. */
  readonly bytesPerTask: number | undefined;
  readonly calibration: readonly Calibration[];
}

export type Observer = 'direct' | 'gateway' | 'waiting' | 'told';

interface Setting {
  readonly inFlight: number;
  readonly pollsPerSecond: number;
}

export function figuresOf(
  { tasks, jobs, idle, full, draining, over }: Observations,
  setting: Setting,
): Figures {
  const ends = endsOf(jobs);
  const seconds = (draining.at - full.at) / 1000;
  const asked = ({ requests }: typeof full) => requests.poll + requests.list;
  const cpuUs = difference(draining.cpuUs, full.cpuUs);
  const bytes = setting.inFlight < MEMORY_FROM ? undefined : difference(full.heapBytes, idle.heapBytes);
  return {
    delays: {
      direct: delaysOf(tasks, ends, ({ direct }) => direct?.knownAt),
      gateway: delaysOf(tasks, ends, ({ gatewayAt }) => gatewayAt),
      waiting: delaysOf(tasks, ends, ({ waiting }) => waiting?.knownAt),
      told: delaysOf(tasks, ends, ({ told }) => told?.knownAt),
    },
    waitingAfterGateway: distributionOf(
      tasks.flatMap(({ gatewayAt, waiting }) =>
        gatewayAt === undefined || !waiting ? [] : [waiting.knownAt - gatewayAt],
      ),
    ),
    durations: distributionOf(
      jobs.flatMap(({ createdAt, endedAt }) => (endedAt === undefined ? [] : [endedAt - createdAt])),
    ),
    polls: asked(over) / jobs.length,
    requests: over.requests.all / jobs.length,
    allowance: (asked(draining) - asked(full)) / seconds / setting.pollsPerSecond,
    queries: {
      direct: meanQueries(tasks, ({ direct }) => direct),
      waiting: meanQueries(tasks, ({ waiting }) => waiting),
      told: meanQueries(tasks, ({ told }) => told),
    },
    cores: cpuUs === undefined ? undefined : cpuUs / 1e6 / seconds,
    upstreamCores: (draining.requests.cpuUs - full.requests.cpuUs) / 1e6 / seconds,
    bytesPerTask: bytes === undefined ? undefined : bytes / setting.inFlight,
    calibration: calibrate(tasks, ends),
  };
}

/** When each job ended, by its prompt. Milliseconds UTC. */
function endsOf(jobs: readonly UpstreamJob[]): ReadonlyMap<string, number> {
  return new Map(
    jobs.flatMap(({ prompt, endedAt }) => (endedAt === undefined ? [] : [[prompt, endedAt] as const])),
  );
}

/** All processes run on one machine, so that their wall clocks are the same. */
function delaysOf(
  tasks: readonly TaskRecord[],
  ends: ReadonlyMap<string, number>,
  knownAt: (task: TaskRecord) => number | undefined,
): Distribution | undefined {
  return distributionOf(
    tasks.flatMap((task) => {
      const [end, known] = [ends.get(task.prompt), knownAt(task)];
      return end === undefined || known === undefined ? [] : [known - end];
    }),
  );
}

/** Compares each `eta` with the time that was really left upstream. */
function calibrate(tasks: readonly TaskRecord[], ends: ReadonlyMap<string, number>): readonly Calibration[] {
  const pairs = tasks.flatMap(({ prompt, told }) => {
    const end = ends.get(prompt);
    if (end === undefined || !told) return [];
    return told.said.map(({ at, eta }) => ({ eta, left: (end - at) / 1000 }));
  });
  return WITHIN.map((seconds) => {
    const said = pairs.filter(({ eta }) => eta <= seconds);
    return { seconds, said: said.length, right: said.filter(({ left }) => left <= seconds).length };
  });
}

function meanQueries(tasks: readonly TaskRecord[], client: (task: TaskRecord) => Seen | undefined): number {
  return meanOf(tasks.map((task) => client(task)?.requests ?? Number.NaN));
}

function difference(later: number | undefined, earlier: number | undefined): number | undefined {
  return later === undefined || earlier === undefined ? undefined : later - earlier;
}
