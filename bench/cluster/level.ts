import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, Feed } from '@onetake/gateway';
import { stream } from '../../chaos/shared/random.ts';
import { type Distribution, distributionOf } from '../shared/distribution.ts';
import { watchEventLoop } from './eventLoop.ts';
import { heap, LIMITS, openNode } from './node.ts';
import { aNewTask, populate } from './populate.ts';
import { meanMs, newDuration, TYPICAL, type Typical } from './steadyState.ts';
import { createUpstream, type Upstream } from './upstream.ts';

/** The figures for one number of tasks in flight. */
export interface Measured {
  readonly inFlight: number;
  /** Tasks a second, from the start of the engine until the last one was active. */
  readonly adoptedPerSecond: number;
  /** Heap for each active task. Bytes. */
  readonly bytesPerTask: number;
  readonly pollsPerSecond: number;
  /** Polls of a job, for each that ended. */
  readonly pollsPerTask: number;
  readonly requestsPerSecond: number;
  /** Requests that poll, as a part of what the account allows. */
  readonly allowance: number;
  readonly transitionsPerSecond: number;
  /** From the end of the upstream job to the durable transition; undefined if no job ended. Milliseconds. */
  readonly delay: Distribution | undefined;
  readonly ended: number;
  /** Of one core, for this process. */
  readonly cpu: number;
  /** The longest block of the event loop: during adoption, and during the measurement. Milliseconds. */
  readonly stallAdopting: number;
  readonly stall: number;
  /** Leases lost in the meantime. If there are any, the figures are useless. */
  readonly lostSessions: number;
}

/** What the account allows, if it is not as much as the engine could use, and how long jobs take. */
export interface Setting {
  readonly limits?: Partial<typeof LIMITS>;
  readonly typical?: Typical;
}

/** About how long it takes to write a task into the database. Milliseconds. */
const WRITE_MS = 1.5;
/** Until the polls of the start have settled: so long, and in addition for each task, milliseconds, … */
const SETTLE_MS = 15_000;
const SETTLE_TASK_MS = 1;
/** … or for so many polls of each task, if the account allows fewer. The jobs that ended before the start are found by then. */
const SETTLE_POLLS = 6;
/** The duration of the measurement. Milliseconds. */
const MEASURE_MS = 60_000;
/** New tasks are submitted in groups, like their writes. Milliseconds. */
const ARRIVAL_MS = 50;

/** One engine on a database of its own, with `count` tasks in flight all the time. Needs `--expose-gc`. */
export async function measureLevel(
  databaseUrl: string,
  count: number,
  { limits = {}, typical = TYPICAL }: Setting = {},
): Promise<Measured> {
  const random = stream(`cluster ${count}`);
  const upstream = createUpstream(() => newDuration(random, typical));
  // Otherwise many jobs would have ended by the time that all are written.
  const at = Date.now() + count * WRITE_MS;
  await using node = await openNode({
    databaseUrl,
    upstream,
    limits,
    typical,
    prepare: (store) => populate(store, upstream, count, random, { typical, at }),
  });
  const { engine, feed } = node;
  await sleep(at - Date.now());

  const before = await heap();
  const adopting = watchEventLoop();
  const began = performance.now();
  await engine.start();
  const adoptedPerSecond = count / ((performance.now() - began) / 1000);
  const stallAdopting = adopting().max;
  const bytesPerTask = ((await heap()) - before) / engine.unfinished;

  using opened = new DisposableStack();
  opened.defer(arrivals(engine, count, typical));
  const { pollsPerSecond, pollBatch } = { ...LIMITS, ...limits };
  const taskMs = Math.max(SETTLE_TASK_MS, (1000 * SETTLE_POLLS) / (pollsPerSecond * pollBatch));
  await sleep(SETTLE_MS + count * taskMs);
  const measuring = watchEventLoop();
  const figures = await measure(feed, upstream, pollsPerSecond);
  return {
    inFlight: engine.unfinished,
    adoptedPerSecond,
    bytesPerTask,
    ...figures,
    stallAdopting,
    stall: measuring().max,
    lostSessions: node.lostLeases(),
  };
}

/** Submits as many new tasks as end, so that the number in flight stays the same. */
function arrivals(engine: Engine, count: number, typical: Typical): () => void {
  const perMs = count / meanMs(typical);
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (const due = (performance.now() - began) * perMs; sent < due; sent++) {
      // A node without a lease refuses; the count of lost leases shows what that means for the figures.
      engine.submit(aNewTask(count + sent)).catch(() => undefined);
    }
  }, ARRIVAL_MS);
  return () => clearInterval(timer);
}

async function measure(feed: Feed, upstream: Upstream, pollsPerSecond: number) {
  const delays: number[] = [];
  let transitions = 0;
  const stop = feed.onChange(({ task, transition }) => {
    if (!transition) return;
    transitions += 1;
    const id = task.attempt?.upstreamId;
    if (task.phase === 'storing' && id !== undefined) delays.push(Date.now() - upstream.endOf(id));
  });
  upstream.counts();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await sleep(MEASURE_MS);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { requests, polls, asked } = upstream.counts();
  stop();
  return {
    pollsPerSecond: asked / seconds,
    pollsPerTask: asked / delays.length,
    requestsPerSecond: requests / seconds,
    allowance: polls / seconds / pollsPerSecond,
    transitionsPerSecond: transitions / seconds,
    delay: distributionOf(delays),
    ended: delays.length,
    cpu: (user + system) / 1e6 / seconds,
  };
}
