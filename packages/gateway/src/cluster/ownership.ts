import type { Log } from '../observability/log.ts';
import type { OwnershipStore, TaskStore } from '../store/store.ts';
import type { Task } from '../tasks/task.ts';
import { LONG_AGO, later } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import { createAdoption, type DrivenTasks } from './adoption.ts';
import type { Cluster, Message } from './cluster.ts';
import { createHandover } from './handover.ts';
import { createTransfers, type TransferParts } from './transfers.ts';

/**
 * Decides which tasks this node drives. It adopts tasks of dead nodes, resumes tasks that it is given, transfers tasks to nodes that
 * have fewer, and releases all of them when its lease is lost.
 */
export interface Ownership {
  /** Adopts every unfinished task whose owner is dead, and goes on to look for tasks that nobody drives. */
  start(): Promise<void>;
  /**
   * Runs `work` on a task that is about to become active or to be released. Meanwhile the search for tasks that are missing from
   * memory skips it.
   */
  during<T>(taskId: string, work: () => Promise<T>): Promise<T>;
  /** Whether this node is the leader, which does the work that only one node should do. */
  leads(): boolean;
  /** Transfers all tasks that can be moved to the other nodes. Resolves with their number. */
  transferAll(): Promise<number>;
  /** Stops adopting tasks and accepting transfers. */
  stop(): void;
}

interface OwnershipParts<Driven> extends Pick<TransferParts<Driven>, 'isTransferable' | 'release'> {
  readonly store: OwnershipStore & Pick<TaskStore, 'tasks'>;
  readonly cluster: Cluster;
  readonly timers: Timers;
  readonly log: Log;
  readonly activeTasks: DrivenTasks<Driven>;
  /** Resumes a task from what its last driver has stored. Throws if it cannot be driven. */
  readonly resume: (task: Task) => void;
  /**
   * Called when this node becomes the leader, and also when it already is and another node has gone, which may have been doing a
   * leader's work.
   */
  readonly becomeLeader: () => void;
}

/** Interval between searches for tasks of dead nodes. A search reads one index entry per owner. Milliseconds. */
const ADOPT_MS = 500;
/**
 * How long a node waits before it adopts tasks under a new lease. If it lost the last one because the server restarted, the server
 * has forgotten the sessions of other nodes, which rely on them for up to `LEASE_TIMINGS.leaseMs`. Milliseconds.
 */
const BACK_AGAIN_MS = 5000;
/** Number of searches between two rebalancings, and between two searches for owned tasks that are missing from memory. */
const REBALANCE_EVERY = 4;
const SEARCH_EVERY = 60;

export function createOwnership<Driven extends { readonly task: Task; writeUnknown: boolean }>(
  parts: OwnershipParts<Driven>,
): Ownership {
  const { cluster, timers, log, activeTasks } = parts;
  const adoption = createAdoption({ ...parts, isStopped: () => stopped });
  const handover = createHandover({ ...parts, isDriven: adoption.isDriven });
  const transfers = createTransfers({ ...parts, adoption, handover });
  let stopped = false;
  let leader = false;
  let known: readonly string[] = [];
  let looks = 0;
  let adoptsFrom = LONG_AGO;
  let looking: Promise<void> | undefined;
  let searchesAlone = false;

  async function look(): Promise<void> {
    if (stopped || !cluster.hasLease()) return;
    looks += 1;
    if (timers.monotonic() >= adoptsFrom) await adoption.adopt();
    if (looks % REBALANCE_EVERY === 0) {
      const members = await cluster.members();
      lead(members);
      if (!stopped) await transfers.rebalance(members);
    }
    if (adoption.isSearchDue() || looks % SEARCH_EVERY === 0) await adoption.search();
  }

  function lead(members: readonly string[]): void {
    const leads = members[0] === cluster.node;
    const someWent = known.some((name) => !members.includes(name));
    known = members;
    const before = leader;
    leader = leads;
    if (leads && !stopped && (!before || someWent)) parts.becomeLeader();
  }

  function afterAWhile(work: () => Promise<void>, then: (failed: boolean) => void): void {
    timers.after(ADOPT_MS, () => {
      if (stopped) return;
      looking = work().then(
        () => then(false),
        (error) => {
          log.warn(
            { event: 'ownership.check_failed', err: error },
            'checking for tasks without a driver failed; retrying',
          );
          then(true);
        },
      );
    });
  }

  const schedule = () => afterAWhile(look, schedule);

  /** For the only node, which looks when an answer of its store was lost: what was asked may have been done. */
  function searchAlone(): void {
    if (searchesAlone) return;
    searchesAlone = true;
    afterAWhile(adoption.search, (failed) => {
      searchesAlone = false;
      if (failed) searchAlone();
    });
  }

  function receive(message: Message, from: string): void {
    if (message.kind === 'leaving') handover.received(from);
    if (message.kind !== 'given' || message.to !== cluster.node) return;
    if (stopped) {
      handover
        .passOn(message.tasks)
        .catch((error) =>
          log.warn(
            { event: 'ownership.handover_failed', err: error },
            'cannot pass on tasks that were transferred to this node while it leaves; other nodes adopt them once it has left',
          ),
        );
      return;
    }
    adoption
      .receive(message.tasks)
      .catch((error) =>
        log.warn(
          { event: 'ownership.transfer_unread', err: error },
          'cannot read tasks that were transferred to this node; the next search finds them',
        ),
      );
  }

  function leaseLost(): void {
    leader = false;
    adoption.leaseLost();
    // The last one first: this is the cheapest order for the queue of waiting tasks.
    for (const active of [...activeTasks].reverse()) parts.release(active);
  }

  return {
    async start() {
      cluster.onMessage(receive);
      cluster.onLease((event) => {
        if (event === 'lost') return leaseLost();
        // Tasks owned under the last lease belong to a dead node now, and are adopted like all others.
        adoptsFrom = later(timers.monotonic(), BACK_AGAIN_MS);
        adoption.searchSoon();
      });
      // This node is a member, to which others may give tasks, before it listens to messages.
      adoption.searchSoon();
      await adoption.adopt();
      lead(await cluster.members());
      if (!cluster.shared) return;
      await adoption.search();
      schedule();
    },
    async during(taskId, work) {
      try {
        return await adoption.during([taskId], work);
      } catch (error) {
        if (!cluster.shared) searchAlone();
        throw error;
      }
    },
    leads: () => leader && cluster.hasLease(),
    async transferAll() {
      // Without a lease there is no node to transfer to, and the store may not answer.
      if (!cluster.hasLease()) return 0;
      await looking;
      if (!cluster.hasLease()) return 0;
      return transfers.transferAll();
    },
    stop() {
      stopped = true;
      handover.announce();
    },
  };
}
