import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { AccountState } from '../limits/account.ts';
import { StoreRefused } from '../store/errors.ts';
import type { MediaRow } from '../store/store.ts';
import { type Event, type Move, move } from '../tasks/lifecycle.ts';
import { isTerminal, type Phase, type Task } from '../tasks/task.ts';
import { later, type Moment } from '../time/clock.ts';
import { fallbackFor } from './fallbackEvent.ts';
import type { EngineParts } from './parts.ts';

/** An unfinished task that this node drives: the stored task, and the state that is kept in memory only. */
export interface ActiveTask {
  task: Task;
  /** 0-100, never falling. */
  progress: number | undefined;
  /** When the task is expected to be done, milliseconds UTC. */
  expectedAt: number | undefined;
  /** The slot taken on an account. It is released when the upstream is done with the task. */
  slot: AccountState | undefined;
  /** Submissions that failed because of this gateway itself. They do not count towards `maxAttempts`. */
  internalFailures: number;
  /** Refusals that count towards `maxAttempts`. Refusals caused by the account or by this gateway are not counted. */
  refusals: number;
  /** Consecutive polls that failed or did not find the job. */
  pollFailures: number;
  missingSince: Moment | undefined;
  /** When the task expires, computed from the time that was left when this node took it over. */
  readonly deadline: Moment;
  /** The stored time from which the age of the upstream job is counted, and the same moment on the monotonic clock. */
  ageFrom: { readonly at: number; readonly moment: Moment } | undefined;
  /** When the next poll is due; undefined while a poll is in flight. */
  dueAt: Moment | undefined;
  /** Cancels whatever the task waits for. */
  cancelTimer: (() => void) | undefined;
  /** True while its video is being fetched; false while the download waits for a slot or a retry. */
  fetching: boolean;
  /** Aborts the work in progress once another node drives the task. */
  interrupt: (() => void) | undefined;
  /** True while a transition is being written: the stored task may be newer than `task`. */
  moving: boolean;
  /** True after a write whose outcome is unknown: the stored task may be newer than `task`. */
  writeUnknown: boolean;
  /** The last queued transition. Transitions of one task are written one at a time, each based on the result of the one before. */
  lastMove: Promise<unknown>;
}

/** The least time that a submitted task has before it expires when a node takes it over: enough for a last poll. Milliseconds. */
const LEAST_LEFT_MS = 600_000;
/** Delay between tries of a write that is retried until it succeeds, in milliseconds. */
const STORE_RETRY_MS = 250;

interface MoveOptions {
  readonly media?: readonly MediaRow[];
  readonly retryUntilWritten?: boolean;
  readonly only?: Phase;
  /** The transition records the upstream id, which must not belong to another attempt. */
  readonly claim?: boolean;
}

/** The upstream id already belongs to another attempt. */
export class UpstreamIdTaken extends Error {}

/** The unfinished tasks that this node drives, and the one way to change them. */
export interface ActiveTasks {
  take(task: Task): ActiveTask;
  get(taskId: string): ActiveTask | undefined;
  /** False once the task is finished, or has another driver. */
  drives(active: ActiveTask): boolean;
  /** The task behind an account's job. */
  byUpstream(accountId: string, upstreamId: string): ActiveTask | undefined;
  readonly size: number;
  [Symbol.iterator](): Iterator<ActiveTask>;
  /**
   * Writes a transition and then publishes it. Resolves with undefined if the transition is not legal, or no longer.
   * `retryUntilWritten` retries for as long as the store is down, for facts that only this process knows. If the store
   * rejects the values of the transition, a fallback event is written instead.
   * `only` makes the transition illegal in any other phase, for decisions that a queued transition may overtake.
   * With `claim`, throws `UpstreamIdTaken` if the upstream id belongs to another attempt.
   */
  apply(active: ActiveTask, event: Event, options?: MoveOptions): Promise<Task | undefined>;
  /** Reloads the task after another node has written it: a cancel request, an upstream id, or its end. */
  refresh(active: ActiveTask): Promise<void>;
  /** Tells the feed that progress moved. */
  report(active: ActiveTask, progress: number | undefined, expectedAt: number): void;
  /** Stops driving a task. Work that is still in progress for it is not written any more. */
  release(active: ActiveTask): void;
  /** Stops retrying failed writes. Resolves when no transition is being written. */
  settle(): Promise<void>;
}

interface ActiveTasksParts extends Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers' | 'log'> {
  /**
   * Called when the stored task turns out to have been changed by another node: a cancel request, or an upstream id that only
   * that node knew. It may be found by a message or by a failed write, and is reported once.
   */
  readonly changed: (active: ActiveTask, before: Task) => void;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state: every transition of an active task goes through here
export function createActiveTasks({
  store,
  feed,
  clock,
  timers,
  log,
  changed,
}: ActiveTasksParts): ActiveTasks {
  const activeTasks = new Map<string, ActiveTask>();
  const upstream = new Map<string, ActiveTask>();
  let settling = false;

  /**
   * Stored times may come from another process, and the clock may have been set since. They are converted to the time left, once.
   * A clock that was set back cannot extend it beyond the whole task deadline. If the clock was set forward, a submitted task still
   * gets `LEAST_LEFT_MS` to be polled, since it is paid for. A task that was never submitted expires at once.
   */
  function deadlineOf({ createdAt, deadlineAt, phase }: Task): Moment {
    const least = phase === 'accepted' ? Number.NEGATIVE_INFINITY : LEAST_LEFT_MS;
    const left = Math.min(deadlineAt - createdAt, Math.max(deadlineAt - clock.now(), least));
    return later(timers.monotonic(), left);
  }

  const jobOf = ({ attempt }: Task): string | undefined =>
    attempt?.upstreamId === undefined ? undefined : `${attempt.accountId} ${attempt.upstreamId}`;

  function index(active: ActiveTask): void {
    const job = jobOf(active.task);
    if (job !== undefined) upstream.set(job, active);
  }

  function drop(active: ActiveTask): void {
    active.cancelTimer?.();
    active.interrupt?.();
    // The task may have been released and taken again: the entry is then a newer one.
    if (activeTasks.get(active.task.id) === active) activeTasks.delete(active.task.id);
    const job = jobOf(active.task);
    if (job !== undefined && upstream.get(job) === active) upstream.delete(job);
    releaseSlot(active);
  }

  /** A task that another node drives must not be written here any more. */
  const drives = (active: ActiveTask): boolean => activeTasks.get(active.task.id) === active;

  /** Tries to write a transition. Resolves with the stored task: after the transition, or as another writer left it. */
  async function write(move: Move, { media = [], claim = false }: MoveOptions): Promise<Task | undefined> {
    const outcome = claim ? await store.claim(move) : await store.commit(move, media);
    if (outcome === 'taken') throw new UpstreamIdTaken(`${move.task.attempt?.upstreamId} is another task's`);
    return outcome === true || outcome === 'claimed' ? move.task : store.task(move.task.id);
  }

  async function applyNow(active: ActiveTask, wanted: Event, given: MoveOptions): Promise<Task | undefined> {
    const { owner } = active.task;
    let event = wanted;
    let options = given;
    // Writes whose outcome is unknown. Each may have been committed.
    const writeUnknown: Task[] = [];
    for (;;) {
      if (!drives(active) || (options.only !== undefined && active.task.phase !== options.only))
        return undefined;
      const next = move(active.task, event, clock.now());
      if (!next) return undefined;
      let stored: Task | undefined;
      active.moving = true;
      feed.invalidate(active.task.id);
      try {
        stored = await write(next, options);
      } catch (error) {
        if (error instanceof UpstreamIdTaken) {
          active.moving = false;
          throw error;
        }
        log.error(
          { event: 'task.write_failed', err: error, task: active.task.id, transition: event.type },
          error instanceof StoreRefused
            ? 'the store refuses the values of a transition'
            : 'a transition cannot be stored',
        );
        const instead =
          options.retryUntilWritten && error instanceof StoreRefused ? fallbackFor(event) : undefined;
        if (instead) {
          // The media and the claim belong to the transition that is given up.
          if (instead.type !== event.type) options = { ...given, media: [], claim: false };
          event = instead;
          continue;
        }
        if (!options.retryUntilWritten || settling || error instanceof StoreRefused) {
          active.moving = false;
          active.writeUnknown = true;
          // If the write was committed, nobody else notifies the listeners of this node.
          feed.changedRemotely([active.task.id]);
          throw error;
        }
        writeUnknown.push(next.task);
        await sleep(STORE_RETRY_MS);
        continue;
      }
      active.moving = false;
      active.writeUnknown = false;
      const moved =
        stored === next.task || writeUnknown.some((tried) => stored && isSameWrite(stored, tried));
      const ours = drives(active);
      const driven = ours && stored?.owner === owner;
      const before = active.task;
      if (stored) active.task = stored;
      // A finished task is dropped before it is published, so that listeners read it from the store.
      if (!driven || isTerminal(active.task.phase)) drop(active);
      else {
        index(active);
        // With an unknown write, a cancel request may have been stored on top of it.
        if (!moved || writeUnknown.length > 0) changed(active, before);
      }
      if (moved) {
        log.info(
          {
            event: 'task.moved',
            task: active.task.id,
            transition: event.type,
            phase: active.task.phase,
            version: active.task.version,
          },
          'task moved',
        );
        feed.publish({ task: active.task, transition: true });
        // If the task was released during the write, the next driver does what follows from the transition.
        return ours && event.type === wanted.type ? active.task : undefined;
      }
      if (writeUnknown.length > 0) feed.changedRemotely([active.task.id]);
      if (!driven) {
        log.warn(
          { event: 'task.driver_changed', task: active.task.id, transition: event.type },
          'another node drives the task',
        );
        return undefined;
      }
      // An earlier write was committed although it seemed to fail, or a cancel request was stored: try again on the stored task.
    }
  }

  /** Reads the stored task and retries while the store is down, because the change is not announced again. */
  async function readWithRetry(active: ActiveTask): Promise<Task | undefined> {
    while (drives(active)) {
      try {
        return await store.task(active.task.id);
      } catch (error) {
        if (settling) throw error;
        log.warn(
          { event: 'task.read_failed', err: error, task: active.task.id },
          'cannot read a task that another node changed; retrying',
        );
        await sleep(STORE_RETRY_MS);
      }
    }
    return undefined;
  }

  /** Runs the work of one task in order, each after the one before has ended. */
  function inTurn<T>(active: ActiveTask, work: () => Promise<T>): Promise<T> {
    const done = active.lastMove.then(work);
    active.lastMove = done.catch(() => undefined);
    return done;
  }

  return {
    take(task) {
      const active = newActiveTask(task, deadlineOf(task));
      activeTasks.set(task.id, active);
      index(active);
      return active;
    },
    get: (taskId) => activeTasks.get(taskId),
    drives,
    byUpstream: (accountId, upstreamId) => upstream.get(`${accountId} ${upstreamId}`),
    get size() {
      return activeTasks.size;
    },
    [Symbol.iterator]: () => activeTasks.values(),
    apply: (active, event, options = {}) => inTurn(active, () => applyNow(active, event, options)),
    refresh: (active) =>
      inTurn(active, async () => {
        const before = active.task;
        const stored = await readWithRetry(active);
        if (stored) active.writeUnknown = false;
        if (!stored || stored.version <= before.version || !drives(active)) return;
        active.task = stored;
        if (stored.owner !== before.owner || isTerminal(stored.phase)) return drop(active);
        index(active);
        changed(active, before);
      }),
    report(active, progress, expectedAt) {
      const before = active.progress;
      // 100 is reserved for `succeeded`: only then is the video stored here.
      if (progress !== undefined) active.progress = Math.max(before ?? 0, Math.min(99, Math.floor(progress)));
      const moved = active.progress !== before || active.expectedAt === undefined;
      active.expectedAt = expectedAt;
      if (moved) feed.publish({ task: active.task, transition: false });
    },
    release: drop,
    async settle() {
      settling = true;
      await Promise.all([...activeTasks.values()].map((active) => active.lastMove));
    },
  };
}

/** The initial state of a task that this node starts to drive. */
export const newActiveTask = (task: Task, deadline: Moment): ActiveTask => ({
  task,
  progress: undefined,
  expectedAt: undefined,
  slot: undefined,
  internalFailures: 0,
  refusals: 0,
  pollFailures: 0,
  missingSince: undefined,
  deadline,
  ageFrom: undefined,
  dueAt: undefined,
  cancelTimer: undefined,
  fetching: false,
  interrupt: undefined,
  moving: false,
  writeUnknown: false,
  lastMove: Promise.resolve(),
});

/** Releases the task's slot on its account. Does nothing the second time. */
export function releaseSlot(active: ActiveTask): void {
  active.slot?.release();
  active.slot = undefined;
}

/** Whether the stored task is the result of the write that was tried, with or without a cancel request stored after it. */
function isSameWrite(stored: Task, tried: Task): boolean {
  if (stored.version <= tried.version) return isDeepStrictEqual(stored, tried);
  const { version: _stored, cancelRequestedAt: _noted, ...is } = stored;
  const { version: _tried, cancelRequestedAt: _before, ...was } = tried;
  return isDeepStrictEqual(is, was);
}
