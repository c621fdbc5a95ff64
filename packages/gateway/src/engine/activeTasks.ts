import { setTimeout as sleep } from 'node:timers/promises';
import type { AccountState } from '../limits/account.ts';
import { StoreRefused } from '../store/errors.ts';
import type { MediaRow } from '../store/store.ts';
import { type Event, type Move, move } from '../tasks/lifecycle.ts';
import { isTerminal, type Phase, type Task } from '../tasks/task.ts';
import { later, type Moment } from '../time/clock.ts';
import { fallbackFor } from './fallbackEvent.ts';
import { isSameWrite } from './isSameWrite.ts';
import type { EngineParts } from './parts.ts';

/** An unfinished task in this node's hands: the stored task, and what need not be stored. */
export interface ActiveTask {
  task: Task;
  /** 0-100, never falling. */
  progress: number | undefined;
  /** When the task is expected to be done, milliseconds UTC. */
  expectedAt: number | undefined;
  /** The place taken on an account, given back when the upstream is done with the task. */
  slot: AccountState | undefined;
  /** Submissions that failed by trouble of this gateway's own: they count against nobody. */
  ownTries: number;
  /** Refusals that count towards the task's last attempt: not those for a trouble of the account, or of this gateway. */
  refusals: number;
  /** Questions in a row that failed, or found no such job. */
  askFailures: number;
  missingSince: Moment | undefined;
  /** When the task expires: what was left of its time when it was taken into hand. */
  readonly deadline: Moment;
  /** The stored time that the age of the upstream's work is counted from, and when that was by the monotonic clock. */
  ageFrom: { readonly at: number; readonly moment: Moment } | undefined;
  /** When the next question about it is due; undefined while one is under way. */
  dueAt: Moment | undefined;
  /** Cancels whatever the task waits for. */
  cancelTimer: (() => void) | undefined;
  /** Its video is being fetched at this moment, rather than waiting for a place or a better time. */
  fetching: boolean;
  /** Interrupts what is under way for it here, once it is no longer this node's. */
  interrupt: (() => void) | undefined;
  /** Whether a move is being written: what is in memory may be older than what others can read. */
  moving: boolean;
  /** Whether a move was given up that may have been made all the same: what is in memory may be older than what is stored. */
  writeUnknown: boolean;
  /** Moves of one task are written one after the other, each judged on the outcome of the one before. */
  lastMove: Promise<unknown>;
}

/** What a task that is upstream has left at least when it is taken into hand: as long as a last look may take. Milliseconds. */
const LEAST_LEFT_MS = 600_000;
/** Waits between tries of a write that must not be given up, in milliseconds. */
const STORE_RETRY_MS = 250;

interface MoveOptions {
  readonly media?: readonly MediaRow[];
  readonly retryUntilWritten?: boolean;
  readonly only?: Phase;
  /** The move gives the attempt its upstream id, which must not be another attempt's. */
  readonly claim?: boolean;
}

/** The upstream id was claimed for another attempt first. */
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
   * Makes a move durable, then announces it. Undefined where the move is not legal (any more): somebody else was first.
   * `insist` tries again for as long as the store is down: for facts that only this process knows. Where the store refuses
   * the values of the move, something plainer is written instead.
   * `only` makes the move illegal in any other phase: for decisions that a move still under way may overtake.
   * With `claim`, throws `UpstreamIdTaken`.
   */
  apply(active: ActiveTask, event: Event, options?: MoveOptions): Promise<Task | undefined>;
  /** Reads what somebody else wrote: a wish to cancel, or the end. */
  refresh(active: ActiveTask): Promise<void>;
  /** Tells the feed that progress moved. */
  report(active: ActiveTask, progress: number | undefined, expectedAt: number): void;
  /** Drives a task no more: whatever is still under way for it is not written in this driver's name. */
  release(active: ActiveTask): void;
  /** Moves under way are finished when this resolves; insisting ends. */
  settle(): Promise<void>;
}

interface ActiveTasksParts extends Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers' | 'log'> {
  /**
   * Somebody else's change came to light, by being told or as a move was written: a wish to cancel, or an id that was known
   * elsewhere alone. Whichever comes second has nothing new to say.
   */
  readonly changed: (active: ActiveTask, before: Task) => void;
}

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
   * Stored times are another process's, perhaps, by a clock that was set since: they are turned into what is left, once, and a clock
   * that was set back does not lengthen it beyond the whole. One that was set forward leaves time to ask about what is upstream: a
   * start with a wrong clock must not expire what was paid for. What was never submitted is not submitted past its time.
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
    // Its place may be another hand's by now: the task was let go and came back.
    if (activeTasks.get(active.task.id) === active) activeTasks.delete(active.task.id);
    const job = jobOf(active.task);
    if (job !== undefined && upstream.get(job) === active) upstream.delete(job);
    releaseSlot(active);
  }

  /** What was lost to another driver must not be written again, not even in that driver's name. */
  const drives = (active: ActiveTask): boolean => activeTasks.get(active.task.id) === active;

  /** What is stored once a move was tried: the task after it, or what somebody else made of it. */
  async function write(move: Move, { media = [], claim = false }: MoveOptions): Promise<Task | undefined> {
    const outcome = claim ? await store.claim(move) : await store.commit(move, media);
    if (outcome === 'taken') throw new UpstreamIdTaken(`${move.task.attempt?.upstreamId} is another task's`);
    return outcome === true || outcome === 'claimed' ? move.task : store.task(move.task.id);
  }

  async function applyNow(active: ActiveTask, wanted: Event, given: MoveOptions): Promise<Task | undefined> {
    const { owner } = active.task;
    let event = wanted;
    let options = given;
    // Writes whose answer was lost: each may have been made, with the time it was tried at.
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
          // What came with the transition that is given up (an id to claim, media) goes with it.
          if (instead.type !== event.type) options = { ...given, media: [], claim: false };
          event = instead;
          continue;
        }
        if (!options.retryUntilWritten || settling || error instanceof StoreRefused) {
          active.moving = false;
          active.writeUnknown = true;
          // Nobody else tells whoever waits here, if it was made.
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
      // A finished task leaves our hands before it is announced: who is woken reads the stored truth.
      if (!driven || isTerminal(active.task.phase)) drop(active);
      else {
        index(active);
        // Or a wish on top of a write whose answer was lost.
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
        // Let go while it was written: it is true, but what follows from it is the next driver's.
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
      // An earlier write was made although it seemed to fail, or somebody noted a wish: judged again on what is stored.
    }
  }

  /** As it is stored, however long the store is away: what was heard of it once is not told again. */
  async function readOn(active: ActiveTask): Promise<Task | undefined> {
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

  /** One after the other, each on the outcome of the one before. */
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
        const stored = await readOn(active);
        if (stored) active.writeUnknown = false;
        if (!stored || stored.version <= before.version || !drives(active)) return;
        active.task = stored;
        if (stored.owner !== before.owner || isTerminal(stored.phase)) return drop(active);
        index(active);
        changed(active, before);
      }),
    report(active, progress, expectedAt) {
      const before = active.progress;
      // 100 is said by `succeeded` alone: the bytes are ours only then.
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

/** A task as it is taken into a hand. */
export const newActiveTask = (task: Task, deadline: Moment): ActiveTask => ({
  task,
  progress: undefined,
  expectedAt: undefined,
  slot: undefined,
  ownTries: 0,
  refusals: 0,
  askFailures: 0,
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

/** Gives the account its place back, once. */
export function releaseSlot(active: ActiveTask): void {
  active.slot?.release();
  active.slot = undefined;
}
