import type { Log } from '../observability/log.ts';
import type { OwnershipStore, TaskStore } from '../store/store.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { LONG_AGO, later } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { Cluster, Message } from './cluster.ts';
import { createHandover } from './handover.ts';
import { transfersOf } from './rebalance.ts';

/**
 * Decides which tasks this node drives. It adopts tasks of dead nodes, resumes tasks that it is given, transfers tasks to nodes that
 * have fewer, and releases all of them when its lease is lost.
 */
export interface Ownership {
  /** Adopts every unfinished task whose owner is dead. Continues to do so if there can be other nodes. */
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

/** The part of the active tasks that ownership needs. */
interface DrivenTasks<Driven> extends Iterable<Driven> {
  get(taskId: string): Driven | undefined;
}

interface OwnershipParts<Driven> {
  readonly store: OwnershipStore & Pick<TaskStore, 'tasks'>;
  readonly cluster: Cluster;
  readonly timers: Timers;
  readonly log: Log;
  readonly activeTasks: DrivenTasks<Driven>;
  /** Resumes a task from what its last driver has stored. Throws if it cannot be driven. */
  readonly resume: (task: Task) => void;
  /** Whether a task can be transferred now: not during a submission or a download. */
  readonly isTransferable: (driven: Driven) => boolean;
  /** Stops driving a task. Its next driver resumes it from what is stored. */
  readonly release: (driven: Driven) => void;
  /**
   * Called when this node becomes the leader, and also when it already is and another node has gone, which may have been doing a
   * leader's work.
   */
  readonly becomeLeader: () => void;
}

/** Tasks adopted or read in one transaction. */
const BATCH = 500;
/** Most tasks transferred in one round, so that the other nodes can keep up with resuming them. */
const GIVE_BATCH = 2000;
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

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state, which asynchronous adoption and transfers change together
export function createOwnership<Driven extends { readonly task: Task; writeUnknown: boolean }>(
  parts: OwnershipParts<Driven>,
): Ownership {
  const { store, cluster, timers, log, activeTasks } = parts;
  const onTheWay = new Set<string>();
  /** Tasks whose transfer got no response: they may have been transferred, or may still be. */
  const perhapsGiven = new Set<string>();
  const handover = createHandover({ ...parts, isDriven: (id) => !!activeTasks.get(id) || onTheWay.has(id) });
  let stopped = false;
  let leader = false;
  let known: readonly string[] = [];
  let looks = 0;
  let adoptsFrom = LONG_AGO;
  let looking: Promise<void> | undefined;
  let searchSoon = false;
  let adopting = false;

  function resume(tasks: readonly Task[]): void {
    for (const task of tasks) {
      // Read under an earlier lease: the task's owner is the name of a dead node.
      if (stopped || !cluster.hasLease() || task.owner !== cluster.node || isTerminal(task.phase)) continue;
      if (activeTasks.get(task.id) || onTheWay.has(task.id)) continue;
      try {
        parts.resume(task);
        const active = activeTasks.get(task.id);
        // Until a write of this node succeeds, another node may own the task, and what is stored may be newer.
        if (perhapsGiven.delete(task.id) && active) active.writeUnknown = true;
      } catch (error) {
        // One task that cannot be driven must not block the others.
        log.error(
          { event: 'task.resume_failed', task: task.id, err: error },
          'cannot resume this task; it stays as it is until the next start',
        );
      }
    }
  }

  async function adopt(): Promise<void> {
    for (let found = BATCH; found === BATCH && !stopped && cluster.hasLease(); ) {
      adopting = true;
      const orphans = await store
        .adopt(cluster.node, BATCH)
        .catch((error: unknown) => {
          // The database may have made this node the owner; the search finds such tasks.
          searchSoon = true;
          throw error;
        })
        .finally(() => {
          adopting = false;
        });
      found = orphans.length;
      resume(orphans);
      if (found > 0)
        log.info(
          { event: 'ownership.adopted', tasks: found, node: cluster.node },
          'adopted unfinished tasks',
        );
    }
  }

  /** Resumes owned tasks that are missing from memory because a message or a response of the database was lost. */
  async function search(): Promise<void> {
    searchSoon = false;
    const { node } = cluster;
    for (let after: string | undefined, found = BATCH; found === BATCH && cluster.hasLease(); ) {
      const owned = await store.owned(node, BATCH, after);
      found = owned.length;
      after = owned.at(-1)?.id;
      // Read again: since the first read a task may have ended and left memory.
      await readAndResume(owned.map(({ id }) => id));
    }
  }

  /**
   * Resumes tasks that are missing from memory. Each is read once at a time, and for one lease: a second answer that arrives after the
   * task has ended would make it active again in an earlier state.
   */
  async function readAndResume(ids: readonly string[]): Promise<void> {
    const { node } = cluster;
    const missing = ids.filter((id) => !activeTasks.get(id) && !onTheWay.has(id));
    if (missing.length === 0) return;
    for (const id of missing) onTheWay.add(id);
    let tasks: readonly Task[];
    try {
      tasks = await store.tasks(missing);
    } catch (error) {
      searchSoon = true;
      throw error;
    } finally {
      for (const id of missing) onTheWay.delete(id);
    }
    if (cluster.node === node) resume(tasks);
  }

  async function rebalance(all: readonly string[]): Promise<void> {
    const members = handover.staying(all);
    if (members.length < 2) return;
    const transfers = transfersOf(await store.loads(), members, cluster.node);
    const transferable = [...activeTasks].filter(parts.isTransferable).reverse();
    for (const { to, count } of transfers) {
      const given = await transferTo(to, transferable.splice(0, Math.min(count, GIVE_BATCH)));
      log.info({ event: 'ownership.rebalanced', to, tasks: given }, 'transferred tasks to a node with fewer');
    }
  }

  async function transferTo(to: string, going: readonly Driven[]): Promise<number> {
    if (going.length === 0) return 0;
    const { node } = cluster;
    const tasks = going.map(({ task }) => task);
    for (const active of going) {
      onTheWay.add(active.task.id);
      parts.release(active);
    }
    let given: ReadonlySet<string>;
    try {
      given = new Set(await store.transfer(node, to, tasks));
    } catch (error) {
      // The database may have transferred them or not. The next search finds those that this node still owns.
      searchSoon = true;
      for (const { id } of tasks) perhapsGiven.add(id);
      throw error;
    } finally {
      for (const { id } of tasks) onTheWay.delete(id);
    }
    await readAndResume(tasks.flatMap(({ id }) => (given.has(id) ? [] : id)));
    return given.size;
  }

  async function look(): Promise<void> {
    if (stopped || !cluster.hasLease()) return;
    looks += 1;
    if (timers.monotonic() >= adoptsFrom) await adopt();
    if (looks % REBALANCE_EVERY === 0) {
      const members = await cluster.members();
      lead(members);
      if (!stopped) await rebalance(members);
    }
    if (searchSoon || looks % SEARCH_EVERY === 0) await search();
  }

  function lead(members: readonly string[]): void {
    const leads = members[0] === cluster.node;
    const someWent = known.some((name) => !members.includes(name));
    known = members;
    const before = leader;
    leader = leads;
    if (leads && !stopped && (!before || someWent)) parts.becomeLeader();
  }

  function schedule(): void {
    timers.after(ADOPT_MS, () => {
      if (stopped) return;
      looking = look()
        .catch((error) =>
          log.warn(
            { event: 'ownership.check_failed', err: error },
            'checking for tasks without a driver failed; retrying',
          ),
        )
        .finally(schedule);
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
    // The adoption in progress may return these tasks as well, which is not known yet.
    if (adopting || message.tasks.some((id) => onTheWay.has(id))) searchSoon = true;
    if (adopting) return;
    readAndResume(message.tasks).catch((error) =>
      log.warn(
        { event: 'ownership.transfer_unread', err: error },
        'cannot read tasks that were transferred to this node; the next search finds them',
      ),
    );
  }

  function leaseLost(): void {
    leader = false;
    // A late transfer under this lease cannot be written any more.
    perhapsGiven.clear();
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
        searchSoon = true;
      });
      // This node is a member, to which others may give tasks, before it listens to messages.
      searchSoon = true;
      await adopt();
      lead(await cluster.members());
      if (!cluster.shared) return;
      await search();
      schedule();
    },
    async during(taskId, work) {
      onTheWay.add(taskId);
      try {
        return await work();
      } catch (error) {
        searchSoon = true;
        throw error;
      } finally {
        onTheWay.delete(taskId);
      }
    },
    leads: () => leader && cluster.hasLease(),
    async transferAll() {
      // Without a lease there is no node to transfer to, and the store may not answer.
      if (!cluster.hasLease()) return 0;
      await looking;
      if (!cluster.hasLease()) return 0;
      const others = await handover.others();
      const transferable = [...activeTasks].filter(parts.isTransferable);
      let given = 0;
      for (const [index, to] of others.entries()) {
        const share = transferable.filter((_active, n) => n % others.length === index);
        while (share.length > 0) given += await transferTo(to, share.splice(0, BATCH));
      }
      return given + (await handover.transferRest());
    },
    stop() {
      stopped = true;
      handover.announce();
    },
  };
}
