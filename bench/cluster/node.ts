import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  type Store,
  systemClock,
} from '@onetake/gateway';
import { nullInspector, nullStorage } from './media.ts';
import { ACCOUNT } from './populate.ts';
import { TYPICAL, type Typical } from './steadyState.ts';
import type { Upstream } from './upstream.ts';

/** A node with one account, in which only the engine, the store and the upstream take time. Its engine is not started yet. */
export interface BenchNode extends AsyncDisposable {
  readonly engine: Engine;
  readonly feed: Feed;
  /** Leases lost so far. If there are any, the figures are useless. */
  lostLeases(): number;
  /** Throws if the lease was lost. */
  checkLease(): void;
}

interface BenchNodeOptions {
  readonly databaseUrl: string;
  readonly upstream: Upstream;
  /** Called once the database is migrated, and before the node joins. */
  readonly prepare?: (store: Store) => Promise<void>;
  readonly typical?: Typical;
  readonly limits?: Partial<typeof LIMITS>;
  readonly log?: EngineParts['log'];
}

/** Enough for 100,000 tasks, each of which is polled about every six seconds near its end. */
export const LIMITS = {
  inFlight: 1_000_000,
  submitsPerMinute: 600_000,
  pollsPerSecond: 200,
  pollBatch: 500,
  minPollIntervalMs: 1000,
};
const POOL = 10;
const DRAIN_MS = 5000;

export async function openNode({
  databaseUrl,
  upstream,
  prepare,
  typical = TYPICAL,
  limits,
  log = createLog('silent'),
}: BenchNodeOptions): Promise<BenchNode> {
  const opened = new AsyncDisposableStack();
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
  await prepare?.(store);
  const cluster = await joinCluster({ url: databaseUrl, log: createLog('warn') });
  opened.defer(() => cluster.close());
  node = cluster.node;
  let lostLeases = 0;
  cluster.onLease((event) => {
    if (event === 'lost') lostLeases += 1;
    node = cluster.node;
  });

  const feed = createFeed();
  const engine = engineOn(
    { store, cluster, feed, timers: createTimers(systemClock), storage: nullStorage(file), log },
    {
      id: ACCOUNT,
      providerId: 'bench',
      official: false,
      provider: upstream.provider,
      limits: { ...LIMITS, ...limits },
    },
    typical,
  );
  opened.defer(() => engine.drain(DRAIN_MS));
  return {
    engine,
    feed,
    lostLeases: () => lostLeases,
    checkLease() {
      if (lostLeases > 0) throw new Error('the lease was lost: the machine is too busy to measure this');
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function engineOn(
  parts: Pick<EngineParts, 'store' | 'cluster' | 'feed' | 'timers' | 'storage' | 'log'>,
  account: EngineParts['accounts'][number],
  typical: Typical,
): Engine {
  return createEngine({
    ...parts,
    inspector: nullInspector,
    openInput: async () => {
      throw new Error('no inputs here');
    },
    accounts: [account],
    deliveredRate: () => undefined,
    typicalTime: () => typical,
    servedBy: () => true,
    servedUntil: () => Number.POSITIVE_INFINITY,
    upstreamModel: () => 'bench',
    upstreamRequest: ({ request }) => request,
    clock: systemClock,
    settings: {
      taskDeadlineMs: 86_400_000,
      maxAttempts: 10,
      resubmitUnknown: false,
      callTimeoutMs: 60_000,
      downloadConcurrency: 64,
      retentionMs: 86_400_000,
      eventRetentionMs: 86_400_000,
      taskRetentionMs: 0,
      ledgerRetentionMs: 0,
      deliveryRetentionMs: 0,
      auditRetentionMs: 0,
      scrubIntervalMs: 0,
      downloadPatienceMs: 86_400_000,
    },
  });
}

/** The heap in use after a collection, bytes. Needs `--expose-gc`. */
export async function heap(): Promise<number> {
  if (!globalThis.gc) throw new Error('start this with --expose-gc');
  // Released memory is freed only after a turn or two.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await sleep(200);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
