import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createEngine,
  createFeed,
  createLog,
  createTimers,
  type Engine,
  type EngineParts,
  type Feed,
  joinCluster,
  openPostgresStore,
  systemClock,
  typicalTimeScheduler,
} from '@onetake/gateway';
import { stream } from '../../chaos/shared/random.ts';
import { nullInspector, nullStorage } from './media.ts';
import { ACCOUNT, aNewTask, populate } from './populate.ts';
import { MEAN_MS, newDuration, TYPICAL } from './steadyState.ts';
import { createUpstream, type Upstream } from './upstream.ts';

/** The figures for one number of tasks in flight. */
export interface Measured {
  readonly inFlight: number;
  /** Tasks a second, from the start of the engine until the last one was active. */
  readonly adoptedPerSecond: number;
  /** Heap for each active task. Bytes. */
  readonly bytesPerTask: number;
  readonly asksPerSecond: number;
  readonly requestsPerSecond: number;
  readonly transitionsPerSecond: number;
  /** From the end of the upstream job to the durable transition. Milliseconds. */
  readonly delayMedian: number;
  readonly delayP95: number;
  readonly ended: number;
  /** Of one core, for this process. */
  readonly cpu: number;
  /** The longest block of the event loop: during adoption, and during the measurement. Milliseconds. */
  readonly stallAdopting: number;
  readonly stall: number;
  /** Leases lost in the meantime. If there are any, the figures are useless. */
  readonly lostSessions: number;
}

/** Enough for 100,000 tasks, each of which is polled about every six seconds near its end. */
const LIMITS = {
  inFlight: 1_000_000,
  startsPerMinute: 600_000,
  asksPerSecond: 200,
  askBatch: 500,
  minAskIntervalMs: 1000,
};
/** Until the polls of the start have settled, and the duration of the measurement. Milliseconds. */
const SETTLE_MS = 15_000;
const MEASURE_MS = 45_000;
/** New tasks are submitted in groups, like their writes. Milliseconds. */
const ARRIVAL_MS = 50;
const POOL = 10;

/** One engine on a database of its own, with `count` tasks in flight all the time. Needs `--expose-gc`. */
export async function measureLevel(databaseUrl: string, count: number): Promise<Measured> {
  await using opened = new AsyncDisposableStack();
  const random = stream(`cluster ${count}`);
  const log = createLog('warn');
  const upstream = createUpstream(() => newDuration(random));
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'video');
  await writeFile(file, 'a video');

  // The store migrates the database before the node can join. It needs the name only when it writes.
  let node = 'node-0';
  const store = await openPostgresStore({
    url: databaseUrl,
    cluster: {
      get node() {
        return node;
      },
    },
    poolSize: POOL,
    namedStatements: true,
  });
  opened.defer(() => store.close());
  await populate(store, upstream, count, random);
  const cluster = await joinCluster({ url: databaseUrl, log });
  opened.defer(() => cluster.close());
  node = cluster.node;
  let lostSessions = 0;
  cluster.onLease((event) => {
    if (event === 'lost') lostSessions += 1;
    node = cluster.node;
  });

  const feed = createFeed();
  const timers = createTimers(systemClock);
  const engine = engineOn({ store, cluster, upstream, feed, timers, storage: nullStorage(file) });

  const before = await heap();
  const stalls = monitorEventLoopDelay({ resolution: 5 });
  stalls.enable();
  const began = performance.now();
  await engine.start();
  const adoptedPerSecond = count / ((performance.now() - began) / 1000);
  const stallAdopting = stalls.max / 1e6;
  const bytesPerTask = ((await heap()) - before) / engine.unfinished;
  opened.defer(() => engine.drain(5000));

  const stopArrivals = arrivals(engine, count);
  opened.defer(stopArrivals);
  await sleep(SETTLE_MS);
  stalls.reset();
  const figures = await measure(feed, upstream);
  const stall = stalls.max / 1e6;
  return {
    inFlight: engine.unfinished,
    adoptedPerSecond,
    bytesPerTask,
    ...figures,
    stallAdopting,
    stall,
    lostSessions,
  };
}

/** An engine with one account, in which only the store and the upstream take time. */
function engineOn({
  upstream,
  ...parts
}: Pick<EngineParts, 'store' | 'cluster' | 'feed' | 'timers' | 'storage'> & {
  readonly upstream: Upstream;
}): Engine {
  return createEngine({
    ...parts,
    inspector: nullInspector,
    openInput: async () => {
      throw new Error('no inputs here');
    },
    accounts: [
      { id: ACCOUNT, providerId: 'bench', retiresModels: false, provider: upstream.provider, limits: LIMITS },
    ],
    deliveredRate: () => undefined,
    typicalTime: () => TYPICAL,
    servedBy: () => true,
    upstreamModel: () => 'bench',
    upstreamRequest: ({ request }) => request,
    clock: systemClock,
    scheduler: typicalTimeScheduler,
    log: createLog('silent'),
    settings: {
      taskDeadlineMs: 86_400_000,
      maxAttempts: 10,
      resubmitUnknown: false,
      callTimeoutMs: 60_000,
      downloadConcurrency: 64,
      retentionMs: 86_400_000,
      scrubIntervalMs: 0,
      downloadPatienceMs: 86_400_000,
    },
  });
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
  const { requests, asked } = upstream.counts();
  stop();
  delays.sort((a, b) => a - b);
  return {
    asksPerSecond: asked / seconds,
    requestsPerSecond: requests / seconds,
    transitionsPerSecond: transitions / seconds,
    delayMedian: delays[Math.floor(delays.length * 0.5)] ?? Number.NaN,
    delayP95: delays[Math.floor(delays.length * 0.95)] ?? Number.NaN,
    ended: delays.length,
    cpu: (user + system) / 1e6 / seconds,
  };
}

async function heap(): Promise<number> {
  if (!globalThis.gc) throw new Error('start this with --expose-gc');
  // Released memory is freed only after a turn or two.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await sleep(200);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
