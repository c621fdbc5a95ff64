import type { Cluster } from '../cluster/cluster.ts';
import type { Log } from '../observability/log.ts';
import type { SharedLimitStore } from '../store/store.ts';
import { type Clock, LONG_AGO, msBetween } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';

/** Keeps the counters of places right. */
export interface Upkeep {
  /** Whether every living node counts the places that it takes, as far as is known. Checked again from time to time while it is asked. */
  everyNodeCounts(): boolean;
  /** What the operator should know about nodes that do not count; undefined if there are none. A public sentence. */
  warning(): string | undefined;
  /** Looks for nodes that do not count. Resolves with true if the last one has gone since. */
  checkNodes(): Promise<boolean>;
  /** Frees lingering places whose bound has passed, at most every few seconds. */
  freeLingering(): Promise<void>;
  /** Counts the places of the accounts again; of all accounts by default. */
  recount(accounts?: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

interface UpkeepParts {
  readonly shared: Pick<SharedLimitStore, 'freeLingeringPlaces' | 'recountPlaces' | 'oldNodes'>;
  readonly cluster: Pick<Cluster, 'hasLease' | 'members' | 'node'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn'>;
}

/** The least time between two searches for lingering places whose bound has passed, and between two looks at the nodes. Milliseconds. */
const FREE_MS = 5000;
const NODES_MS = 2000;
/** How often the leader counts the places. Milliseconds. */
const RECOUNT_MS = 300_000;

const WARNING =
  'Nodes of an older version run, which do not count the tasks in flight of an account; this node submits nothing until they have ended.';

export function createUpkeep({ shared, cluster, clock, timers, log }: UpkeepParts): Upkeep {
  let oldNodes: readonly string[] = [];
  let checkedAt = LONG_AGO;
  let freedAt = LONG_AGO;
  let leading: Promise<void> | undefined;
  let stopped = false;
  let cancelLead = leadLater();
  const isOver = (ms: number, since = LONG_AGO) => msBetween(since, timers.monotonic()) >= ms;

  /** A node of an older version does not count the places that it takes, so nobody may take any beside it. */
  async function checkNodes(): Promise<boolean> {
    checkedAt = timers.monotonic();
    const found = await shared.oldNodes();
    if (found.length > 0 && oldNodes.length === 0)
      log.warn(
        { event: 'limits.old_node', nodes: found },
        'nodes of an older version run, which do not count the places of accounts; this node submits nothing until they have ended',
      );
    const areGone = found.length === 0 && oldNodes.length > 0;
    if (areGone) await recount();
    oldNodes = found;
    return areGone;
  }

  async function freeLingering(): Promise<void> {
    if (!isOver(FREE_MS, freedAt)) return;
    freedAt = timers.monotonic();
    await shared.freeLingeringPlaces(clock.now());
  }

  async function recount(accounts?: readonly string[]): Promise<void> {
    for (const { account, was, is } of await shared.recountPlaces(accounts))
      log.warn(
        { event: 'limits.recounted', account, was, is },
        'corrected the number of places of an account in use',
      );
  }

  function leadLater(): () => void {
    return timers.after(RECOUNT_MS, () => {
      leading = lead()
        .catch((err) =>
          log.warn({ event: 'limits.recount_failed', err }, 'cannot count the places of accounts'),
        )
        .finally(() => {
          if (!stopped) cancelLead = leadLater();
        });
    });
  }

  async function lead(): Promise<void> {
    if (!cluster.hasLease() || (await cluster.members())[0] !== cluster.node) return;
    await freeLingering();
    await recount();
  }

  return {
    everyNodeCounts() {
      if (oldNodes.length === 0 && isOver(NODES_MS, checkedAt)) {
        checkNodes().catch((err) =>
          log.warn({ event: 'limits.read_failed', err }, 'cannot read which nodes run; retrying'),
        );
      }
      return oldNodes.length === 0;
    },
    warning: () => (oldNodes.length > 0 ? WARNING : undefined),
    checkNodes,
    freeLingering,
    recount,
    async stop() {
      stopped = true;
      cancelLead();
      await leading;
    },
  };
}
