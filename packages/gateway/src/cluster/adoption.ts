import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Log } from '../observability/log.ts';
import type { OwnershipStore, TaskStore } from '../store/store.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import type { Cluster } from './cluster.ts';

/** The part of the active tasks that ownership needs. */
export interface DrivenTasks<Driven> extends Iterable<Driven> {
  get(taskId: string): Driven | undefined;
}

/** Makes tasks active that this node owns and does not drive. */
export interface Adoption {
  /** Whether this node drives the task, or is about to start or to stop driving it. */
  isDriven(taskId: string): boolean;
  /** Runs `work` on tasks that are about to become active or to be released; meanwhile nothing else makes them active. */
  during<T>(taskIds: readonly string[], work: () => Promise<T>): Promise<T>;
  /** Adopts the tasks of dead nodes. */
  adopt(): Promise<void>;
  /** Resumes owned tasks that are missing from memory because a message or a response of the database was lost. */
  search(): Promise<void>;
  /** Whether some may be missing. */
  isSearchDue(): boolean;
  searchSoon(): void;
  /** Resumes those of the tasks that are missing from memory. */
  resumeMissing(taskIds: readonly string[]): Promise<void>;
  /** Another node has made this one the owner of the tasks. */
  receive(taskIds: readonly string[]): Promise<void>;
  /** A transfer of the tasks got no response: they may have been transferred, or may still be. */
  perhapsGiven(taskIds: readonly string[]): void;
  /** The lease is lost: a late transfer under it cannot be written any more. */
  leaseLost(): void;
}

interface AdoptionParts<Driven> {
  readonly store: OwnershipStore & Pick<TaskStore, 'tasks'>;
  readonly cluster: Cluster;
  readonly log: Log;
  readonly activeTasks: DrivenTasks<Driven>;
  readonly resume: (task: Task) => void;
  readonly isStopped: () => boolean;
}

/** Owned tasks whose versions are compared in one query. */
const BATCH = 500;
/** Tasks adopted in one transaction: their rows become tasks in one turn of the event loop, which takes some milliseconds for so many. */
const ADOPTED_AT_ONCE = 100;
/** Tasks resumed in one turn of the event loop: each takes a tenth of a millisecond. */
const RESUMED_A_TURN = 25;

export function createAdoption<Driven extends { writeUnknown: boolean }>(
  parts: AdoptionParts<Driven>,
): Adoption {
  const { store, cluster, log, activeTasks, isStopped } = parts;
  const onTheWay = new Set<string>();
  const perhapsGiven = new Set<string>();
  let searchSoon = false;
  let adopting = false;

  const isDriven = (id: string) => activeTasks.get(id) !== undefined || onTheWay.has(id);

  async function during<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const id of ids) onTheWay.add(id);
    try {
      return await work();
    } catch (error) {
      // The database may have done it nevertheless; the search finds what this node owns.
      searchSoon = true;
      throw error;
    } finally {
      for (const id of ids) onTheWay.delete(id);
    }
  }

  function resume(task: Task): void {
    // Read under an earlier lease: the task's owner is the name of a dead node.
    if (isStopped() || !cluster.hasLease() || task.owner !== cluster.node || isTerminal(task.phase)) return;
    if (isDriven(task.id)) return;
    try {
      parts.resume(task);
      const active = activeTasks.get(task.id);
      // Until a write of this node succeeds, another node may own the task, and what is stored may be newer.
      if (perhapsGiven.delete(task.id) && active) active.writeUnknown = true;
      // The change of the owner counts as a version, and no transition tells of it.
      log.debug(
        {
          event: 'task.resumed',
          task: task.id,
          version: task.version,
          phase: task.phase,
          node: cluster.node,
        },
        'this node drives the task now',
      );
    } catch (error) {
      // One task that cannot be driven must not block the others.
      log.error(
        { event: 'task.resume_failed', task: task.id, err: error },
        'cannot resume this task; it stays as it is until the next start',
      );
    }
  }

  /** Until it is its turn, each task counts as on the way: nothing else reads it, and it cannot end and become active again as it was. */
  async function resumeInTurns(tasks: readonly Task[]): Promise<void> {
    const rest = tasks.filter(({ id }) => !isDriven(id));
    for (const { id } of rest) onTheWay.add(id);
    for (let next = rest.splice(0, RESUMED_A_TURN); next.length > 0; next = rest.splice(0, RESUMED_A_TURN)) {
      for (const task of next) {
        onTheWay.delete(task.id);
        resume(task);
      }
      if (rest.length > 0) await nextTurn();
    }
  }

  async function adopt(): Promise<void> {
    let tasks = 0;
    try {
      for (let found = ADOPTED_AT_ONCE; found === ADOPTED_AT_ONCE && !isStopped() && cluster.hasLease(); ) {
        adopting = true;
        const orphans = await during([], () => store.adopt(cluster.node, ADOPTED_AT_ONCE)).finally(() => {
          adopting = false;
        });
        found = orphans.length;
        tasks += found;
        await resumeInTurns(orphans);
      }
    } finally {
      if (tasks > 0)
        log.info({ event: 'ownership.adopted', tasks, node: cluster.node }, 'adopted unfinished tasks');
    }
  }

  /**
   * Each task is read once at a time, and for one lease: a second answer that arrives after the task has ended would make it active
   * again in an earlier state.
   */
  async function resumeMissing(ids: readonly string[]): Promise<void> {
    const { node } = cluster;
    const missing = ids.filter((id) => !isDriven(id));
    if (missing.length === 0) return;
    const tasks = await during(missing, () => store.tasks(missing));
    if (cluster.node === node) await resumeInTurns(tasks);
  }

  return {
    isDriven,
    during,
    adopt,
    async search() {
      searchSoon = false;
      const { node } = cluster;
      for (let after: string | undefined, found = BATCH; found === BATCH && cluster.hasLease(); ) {
        const owned = await store.owned(node, BATCH, after);
        found = owned.length;
        after = owned.at(-1)?.id;
        // Read again: since the first read a task may have ended and left memory.
        await resumeMissing(owned.map(({ id }) => id));
      }
    },
    isSearchDue: () => searchSoon,
    searchSoon() {
      searchSoon = true;
    },
    resumeMissing,
    async receive(ids) {
      // The adoption in progress may return these tasks as well, which is not known yet.
      if (adopting || ids.some((id) => onTheWay.has(id))) searchSoon = true;
      if (!adopting) await resumeMissing(ids);
    },
    perhapsGiven(ids) {
      for (const id of ids) perhapsGiven.add(id);
    },
    leaseLost: () => perhapsGiven.clear(),
  };
}
