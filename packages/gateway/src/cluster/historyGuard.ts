import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../observability/log.ts';
import type { Store } from '../store/store.ts';
import type { Cluster, LeaseEvent } from './cluster.ts';
import { createListeners } from './listeners.ts';

/**
 * A store whose confirmed writes are remembered, and a cluster that withholds the lease from this node once some of them are lost.
 */
export interface GuardedHistory {
  readonly store: Store;
  readonly cluster: Cluster;
  /** What is wrong, as a sentence without secrets; undefined if nothing is. */
  problem(): string | undefined;
}

export interface HistoryParts {
  readonly store: Store;
  readonly cluster: Cluster;
  readonly log: Log;
}

/** Writes that a node remembers. A busy node makes them within minutes, and no usable standby lags behind by that much. */
const REMEMBERED = 20_000;
/** Tasks read in one query. */
const BATCH = 500;
const RETRY_MS = 250;

const PROBLEM =
  'The database lacks tasks that it had confirmed: it is an older copy, or a standby that lagged when it was promoted. Nothing more is ' +
  'submitted. Stop every gateway, run `onetake recover`, and start them again.';

/**
 * Detects a database that has lost confirmed writes. A node remembers what it has written. With each new lease, and before it drives
 * any task, it compares that with the database. Lost tasks may have been submitted, and would be generated and billed twice.
 * Therefore the node does not resume work and tells the other nodes, until an operator has dealt with it.
 */
export function guardHistory({ store, cluster, log }: HistoryParts): GuardedHistory {
  const confirmed = createConfirmedWrites(store);
  const { remember } = confirmed;
  const listeners = createListeners<[LeaseEvent]>(log);
  let checks = 0;
  let checking = false;
  let wentBack = false;

  function stop(facts: object): void {
    if (wentBack) return;
    wentBack = true;
    log.error({ event: 'store.went_back', ...facts }, PROBLEM);
    listeners.emit('lost');
  }

  async function check(): Promise<void> {
    checks += 1;
    const mine = checks;
    const isOver = () => mine !== checks || wentBack;
    checking = true;
    while (!isOver()) {
      try {
        const tasks = await confirmed.findLost();
        if (isOver()) return;
        if (tasks.length > 0) {
          cluster.broadcast({ kind: 'went_back' });
          stop({ tasks: tasks.slice(0, 100), lost: tasks.length });
          return;
        }
        checking = false;
        listeners.emit('joined');
        return;
      } catch (error) {
        log.warn(
          { event: 'store.history_unchecked', err: error },
          'cannot compare the database with what it had confirmed; retrying',
        );
        await sleep(RETRY_MS);
      }
    }
  }

  cluster.onLease((event) => {
    if (event === 'joined') {
      void check();
      return;
    }
    // Ends the check of the previous lease.
    checks += 1;
    checking = true;
    listeners.emit('lost');
  });
  cluster.onMessage((message, from) => {
    if (message.kind === 'went_back') stop({ noticedBy: from });
  });

  return {
    problem: () => (wentBack ? PROBLEM : undefined),
    store: {
      ...store,
      async accept(acceptance) {
        const accepted = await store.accept(acceptance);
        if (accepted.outcome === 'accepted') remember(acceptance.task.id, acceptance.task.version);
        return accepted;
      },
      async commit(move, media) {
        const written = await store.commit(move, media);
        if (written) remember(move.task.id, move.task.version);
        return written;
      },
      async intend(move, limit) {
        const outcome = await store.intend(move, limit);
        if (outcome === 'written') remember(move.task.id, move.task.version);
        return outcome;
      },
      async claim(move) {
        const outcome = await store.claim(move);
        if (outcome === 'claimed') remember(move.task.id, move.task.version);
        return outcome;
      },
    },
    cluster: {
      ...cluster,
      get node() {
        return cluster.node;
      },
      hasLease: () => !checking && !wentBack && cluster.hasLease(),
      onLease: listeners.add,
      async close() {
        checks += 1;
        await cluster.close();
      },
    },
  };
}

/** Remembers the latest writes of this node that the database confirmed. */
function createConfirmedWrites(store: Pick<Store, 'versions'>) {
  /** Task versions in the order of their writes. */
  const versions = new Map<string, number>();
  return {
    remember(id: string, version: number): void {
      if ((versions.get(id) ?? 0) > version) return;
      // Inserted again, so that the map stays in the order of writes.
      versions.delete(id);
      versions.set(id, version);
      if (versions.size <= REMEMBERED) return;
      for (const oldest of versions.keys()) {
        versions.delete(oldest);
        return;
      }
    },
    /** Ids of the tasks that the database lacks, or has in an older version than it confirmed. */
    async findLost(): Promise<string[]> {
      const ids = [...versions.keys()];
      const found = new Map<string, number>();
      for (let at = 0; at < ids.length; at += BATCH) {
        // `versions` also returns rows that cannot be parsed: they are not lost.
        for (const [id, version] of await store.versions(ids.slice(at, at + BATCH))) found.set(id, version);
      }
      return ids.filter((id) => (found.get(id) ?? 0) < (versions.get(id) ?? 0));
    },
  };
}
