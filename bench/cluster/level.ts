import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, Feed } from '@onetake/gateway';
import { stream } from '../../chaos/shared/random.ts';
import { type Distribution, distributionOf } from '../shared/distribution.ts';
import { watchEventLoop } from './eventLoop.ts';
import { heap, LIMITS, openNode } from './node.ts';
import { aNewTask, populate } from './populate.ts';
import { MEAN_MS, newDuration } from './steadyState.ts';
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

/** Until the polls of the start have settled, and the duration of the measurement. Milliseconds. */
const SETTLE_MS = 15_000;
const MEASURE_MS = 45_000;
/** New tasks are submitted in groups, like their writes. Milliseconds. */
const ARRIVAL_MS = 50;

/** One engine on a database of its own, with `count` tasks in flight all the time. Needs `--expose-gc`. */
export async function measureLevel(databaseUrl: string, count: number): Promise<Measured> {
  const random = stream(`cluster ${count}`);
  const upstream = createUpstream(() => newDuration(random));
  await using node = await openNode({
    databaseUrl,
    upstream,
    prepare: (store) => populate(store, upstream, count, random),
  });
  const { engine, feed } = node;

  const before = await heap();
  const adopting = watchEventLoop();
  const began = performance.now();
  await engine.start();
  const adoptedPerSecond = count / ((performance.now() - began) / 1000);
  const stallAdopting = adopting().max;
  const bytesPerTask = ((await heap()) - before) / engine.unfinished;

  using opened = new DisposableStack();
  opened.defer(arrivals(engine, count));
  await sleep(SETTLE_MS);
  const measuring = watchEventLoop();
  const figures = await measure(feed, upstream);
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
function arrivals(engine: Engine, count: number): () => void {
  const perMs = count / MEAN_MS;
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

async function measure(feed: Feed, upstream: Upstream) {
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
    allowance: polls / seconds / LIMITS.pollsPerSecond,
    transitionsPerSecond: transitions / seconds,
    delay: distributionOf(delays),
    ended: delays.length,
    cpu: (user + system) / 1e6 / seconds,
  };
}
