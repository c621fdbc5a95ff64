import type { Log } from '../observability/log.ts';
import type { OwnershipStore, TaskStore } from '../store/store.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { LONG_AGO, later } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { Cluster, Message } from './cluster.ts';
import { createHandover } from './handover.ts';
import { transfersOf } from './rebalance.ts';

/**
 * Which tasks this node drives: adopts those of dead nodes, takes what it is given, gives what is too much for it, and lets
 * go of everything when its session with the others is lost.
 */
export interface Ownership {
  /** Adopts every unfinished task whose owner does not live; goes on adopting where there are other nodes. */
  start(): Promise<void>;
  /** Keeps the search for forgotten tasks away from one that is on its way into our hands or out of them. */
  during<T>(taskId: string, work: () => Promise<T>): Promise<T>;
  /** Whether this node does what one node alone should do. */
  leads(): boolean;
  /** Gives everything that can be moved to the other nodes. Resolves with how many tasks went. */
  transferAll(): Promise<number>;
  /** Adopts and takes nothing more. */
  stop(): void;
}

/** The tasks that this node drives, as far as their ownership is concerned. */
interface DrivenTasks<Driven> extends Iterable<Driven> {
  get(taskId: string): Driven | undefined;
}

interface OwnershipParts<Driven> {
  readonly store: OwnershipStore & Pick<TaskStore, 'tasks'>;
  readonly cluster: Cluster;
  readonly timers: Timers;
  readonly log: Log;
  readonly activeTasks: DrivenTasks<Driven>;
  /** Drives a task from where its last driver left it. Throws where it cannot be driven. */
  readonly resume: (task: Task) => void;
  /** Whether a task can change hands now: not in the middle of a submission or a download. */
  readonly movable: (driven: Driven) => boolean;
  /** Stops driving a task; what is stored is the next driver's. */
  readonly release: (driven: Driven) => void;
  /** This node does what one node alone should do, as it did not before, or some node that may have been at it has gone. */
  readonly becomeLeader: () => void;
}

/** Tasks adopted, or looked through, in one transaction. */
const BATCH = 500;
/** Tasks given away in one round: the others must keep up with taking them. */
const GIVE_BATCH = 2000;
/** Time between looks for tasks of dead nodes. A look reads an index entry per owner. Milliseconds. */
const ADOPT_MS = 500;
/**
 * A node that comes back waits so long before it adopts: its session may have ended with the server's life, and the server of
 * today knows nothing of sessions that others still count on, for as long as `SESSION_TIMINGS.leaseMs` says. Milliseconds.
 */
const BACK_AGAIN_MS = 5000;
/** Looks between evening out the load, and between searches for own tasks that are in no hand. */
const SPREAD_EVERY = 4;
const SEARCH_EVERY = 60;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state, which asynchronous adoption and transfers change together
export function createOwnership<Driven extends { readonly task: Task; writeUnknown: boolean }>(
  parts: OwnershipParts<Driven>,
): Ownership {
  const { store, cluster, timers, log, activeTasks } = parts;
  const onTheWay = new Set<string>();
  /** Tasks whose transfer got no answer: they were given away, or may be yet. */
  const perhapsGiven = new Set<string>();
  const leaving = createHandover({ ...parts, isDriven: (id) => !!activeTasks.get(id) || onTheWay.has(id) });
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
      // Asked for in a session that is lost by now: the name is a dead node's, and so are its tasks.
      if (stopped || !cluster.hasLease() || task.owner !== cluster.node || isTerminal(task.phase)) continue;
      if (activeTasks.get(task.id) || onTheWay.has(task.id)) continue;
      try {
        parts.resume(task);
        const active = activeTasks.get(task.id);
        // Until a write of this node succeeds, another node may own the task, and what is stored may be newer.
        if (perhapsGiven.delete(task.id) && active) active.writeUnknown = true;
      } catch (error) {
        // One task that cannot be driven must not keep the others from it.
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
          // Adopted or not, the database knows.
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

  /** What a lost notice, or a lost answer of the database, has left in nobody's hands. */
  async function search(): Promise<void> {
    searchSoon = false;
    const { node } = cluster;
    for (let after: string | undefined, found = BATCH; found === BATCH && cluster.hasLease(); ) {
      const owned = await store.owned(node, BATCH, after);
      found = owned.length;
      after = owned.at(-1)?.id;
      // Read again: between the first reading and now it may have been finished and dropped.
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

  async function spread(all: readonly string[]): Promise<void> {
    const members = leaving.staying(all);
    if (members.length < 2) return;
    const transfers = transfersOf(await store.loads(), members, cluster.node);
    const movable = [...activeTasks].filter(parts.movable).reverse();
    for (const { to, count } of transfers) {
      const given = await transferTo(to, movable.splice(0, Math.min(count, GIVE_BATCH)));
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
      // Given or not, the database knows: what is still ours is found by the next search.
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
    if (looks % SPREAD_EVERY === 0) {
      const members = await cluster.members();
      lead(members);
      if (!stopped) await spread(members);
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
    if (message.kind === 'leaving') leaving.heard(from);
    if (message.kind !== 'given' || message.to !== cluster.node) return;
    if (stopped) {
      leaving
        .passOn(message.tasks)
        .catch((error) =>
          log.warn(
            { event: 'ownership.handover_failed', err: error },
            'cannot pass on tasks that were transferred to this node while it leaves; other nodes adopt them once it has left',
          ),
        );
      return;
    }
    // Which tasks an adoption will answer with is not known yet.
    if (adopting || message.tasks.some((id) => onTheWay.has(id))) searchSoon = true;
    if (adopting) return;
    readAndResume(message.tasks).catch((error) =>
      log.warn(
        { event: 'ownership.transfer_unread', err: error },
        'cannot read tasks that were transferred to this node; the next search finds them',
      ),
    );
  }

  function sessionLost(): void {
    leader = false;
    // A late transfer in the name of this lease writes nothing any more.
    perhapsGiven.clear();
    for (const active of [...activeTasks]) parts.release(active);
  }

  return {
    async start() {
      cluster.onMessage(receive);
      cluster.onLease((event) => {
        if (event === 'lost') return sessionLost();
        // What the last session owned is a dead node's now, and adopted like any other.
        adoptsFrom = later(timers.monotonic(), BACK_AGAIN_MS);
        searchSoon = true;
      });
      // A node is there for the others, who may give it tasks, before it listens.
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
      // Without a session there is nobody to give to, and the store may not answer.
      if (!cluster.hasLease()) return 0;
      await looking;
      if (!cluster.hasLease()) return 0;
      const others = await leaving.others();
      const movable = [...activeTasks].filter(parts.movable);
      let given = 0;
      for (const [index, to] of others.entries()) {
        const share = movable.filter((_hand, place) => place % others.length === index);
        while (share.length > 0) given += await transferTo(to, share.splice(0, BATCH));
      }
      return given + (await leaving.transferRest());
    },
    stop() {
      stopped = true;
      leaving.announce();
    },
  };
}
