import type { Log } from '../observability/log.ts';
import type { OwnershipStore } from '../store/store.ts';
import type { Task } from '../tasks/task.ts';
import type { Adoption } from './adoption.ts';
import type { Cluster } from './cluster.ts';
import type { Handover } from './handover.ts';
import { transfersOf } from './rebalance.ts';

/** Transfers tasks that this node drives to other nodes. */
export interface Transfers {
  /** Transfers tasks to nodes that have fewer. */
  rebalance(members: readonly string[]): Promise<void>;
  /** Transfers all tasks that can be moved, evenly. Resolves with their number. */
  transferAll(): Promise<number>;
}

export interface TransferParts<Driven> {
  readonly store: OwnershipStore;
  readonly cluster: Cluster;
  readonly log: Log;
  readonly activeTasks: Iterable<Driven>;
  /** Whether a task can be transferred now: not during a submission or a download. */
  readonly isTransferable: (driven: Driven) => boolean;
  /** Stops driving a task. Its next driver resumes it from what is stored. */
  readonly release: (driven: Driven) => void;
  readonly adoption: Pick<Adoption, 'during' | 'perhapsGiven' | 'resumeMissing'>;
  readonly handover: Pick<Handover, 'staying' | 'others' | 'transferRest'>;
}

/** Tasks transferred in one transaction by a node that leaves. */
const BATCH = 500;
/** Most tasks transferred in one round, so that the other nodes can keep up with resuming them. */
const GIVE_BATCH = 2000;

export function createTransfers<Driven extends { readonly task: Task }>(
  parts: TransferParts<Driven>,
): Transfers {
  const { store, cluster, log, activeTasks, isTransferable, adoption, handover } = parts;

  async function transferTo(to: string, going: readonly Driven[]): Promise<number> {
    if (going.length === 0) return 0;
    const { node } = cluster;
    const tasks = going.map(({ task }) => task);
    const ids = tasks.map(({ id }) => id);
    const given = await adoption.during(ids, async () => {
      for (const active of going) parts.release(active);
      try {
        return new Set(await store.transfer(node, to, tasks));
      } catch (error) {
        // The next search finds those that this node still owns.
        adoption.perhapsGiven(ids);
        throw error;
      }
    });
    await adoption.resumeMissing(ids.filter((id) => !given.has(id)));
    return given.size;
  }

  return {
    async rebalance(all) {
      const members = handover.staying(all);
      if (members.length < 2) return;
      const transfers = transfersOf(await store.loads(), members, cluster.node);
      const transferable = [...activeTasks].filter(isTransferable).reverse();
      for (const { to, count } of transfers) {
        const given = await transferTo(to, transferable.splice(0, Math.min(count, GIVE_BATCH)));
        log.info(
          { event: 'ownership.rebalanced', to, tasks: given },
          'transferred tasks to a node with fewer',
        );
      }
    },
    async transferAll() {
      const others = await handover.others();
      const transferable = [...activeTasks].filter(isTransferable);
      let given = 0;
      for (const [index, to] of others.entries()) {
        const share = transferable.filter((_active, n) => n % others.length === index);
        while (share.length > 0) given += await transferTo(to, share.splice(0, BATCH));
      }
      return given + (await handover.transferRest());
    },
  };
}
