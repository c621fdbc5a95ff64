import { isDeepStrictEqual } from 'node:util';
import type { AccountLimiter } from '../limits/limits.ts';
import type { Log } from '../observability/log.ts';
import { StoreRefused } from '../store/errors.ts';
import type { MediaRow, TaskStore } from '../store/store.ts';
import { type Event, type Move, move } from '../tasks/lifecycle.ts';
import { isTerminal, type Phase, type Task } from '../tasks/task.ts';
import { type ActiveTask, endPhase, leaveUpstream } from './activeTask.ts';
import { fallbackFor } from './fallbackEvent.ts';
import type { EngineParts } from './parts.ts';
import { createStoreRetry } from './storeRetry.ts';

interface MoveOptions {
  readonly media?: readonly MediaRow[];
  readonly retryUntilWritten?: boolean;
  readonly only?: Phase;
  readonly attempt?: number;
  /** The transition records the upstream id, which must not belong to another attempt. */
  readonly claim?: boolean;
  /** Writes the transition, which takes a place of an account. */
  readonly intend?: AccountLimiter['intend'] | undefined;
}

/** The upstream id already belongs to another attempt. */
export class UpstreamIdTaken extends Error {}

/** All places of the account are taken. */
export class NoPlace extends Error {}

/** The one way to change an active task: lifecycle, compare-and-set in the store, event published. */
export interface Transitions {
  /**
   * Writes a transition and then publishes it. Resolves with undefined if the transition is not legal, or no longer.
   * `retryUntilWritten` retries for as long as the store is down, for facts that only this process knows. If the store
   * rejects the values of the transition, a fallback event is written instead.
   * `only` makes the transition illegal in any other phase, and `attempt` of any other attempt, for decisions that a queued transition
   * may overtake.
   * With `claim`, throws `UpstreamIdTaken` if the upstream id belongs to another attempt. With `intend`, throws `NoPlace` if there is none.
   */
  apply(active: ActiveTask, event: Event, options?: MoveOptions): Promise<Task | undefined>;
  /** Reloads the task after another node has written it: a cancel request, an upstream id, or its end. */
  refresh(active: ActiveTask): Promise<void>;
  /** Stops retrying failed writes. Resolves when no transition is being written. */
  settle(): Promise<void>;
}

interface TransitionParts extends Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers' | 'log'> {
  readonly drives: (active: ActiveTask) => boolean;
  /** Makes the task known by its job. */
  readonly index: (active: ActiveTask) => void;
  /** Removes a task that has ended, or that another node drives. */
  readonly drop: (active: ActiveTask) => void;
  readonly all: () => Iterable<ActiveTask>;
  /** Called with every transition that this node has written of a task that it drives, before the task is dropped. */
  readonly moved?: (move: Move) => void;
}

/** A transition on its way into the store. */
interface Writing {
  readonly active: ActiveTask;
  readonly wanted: Event;
  readonly given: MoveOptions;
  /** What is written: the wanted event, or a fallback. */
  event: Event;
  options: MoveOptions;
  /** Tries whose outcome is unknown. Each may have been committed. */
  readonly unknown: Task[];
}

export function createTransitions(parts: TransitionParts): Transitions {
  const { store, feed, clock, log, drives, index, drop } = parts;
  const retry = createStoreRetry(parts.timers, log);

  async function applyNow(active: ActiveTask, wanted: Event, given: MoveOptions): Promise<Task | undefined> {
    const writing: Writing = { active, wanted, given, event: wanted, options: given, unknown: [] };
    const { owner } = active.task;
    for (;;) {
      const next = isDue(active, writing.options) ? move(active.task, writing.event, clock.now()) : undefined;
      active.moving = next !== undefined;
      if (!next) return undefined;
      let stored: Task | undefined;
      feed.invalidate(active.task.id);
      try {
        stored = await write(store, next, writing.options, writing.unknown.length > 0);
      } catch (error) {
        await recover(writing, next, error);
        continue;
      }
      active.moving = false;
      active.writeUnknown = false;
      const moved =
        stored === next.task || writing.unknown.some((tried) => stored && isSameWrite(stored, tried));
      const ours = drives(active);
      const driven = ours && stored?.owner === owner;
      // After a release, the place belongs to the next driver: nothing would free it here.
      if (moved && ours) parts.moved?.(next);
      follow(active, stored, { driven, asWritten: moved && writing.unknown.length === 0 });
      if (moved) {
        logMoved(log, active.task, writing.event);
        feed.publish({ task: active.task, transition: true });
        // If the task was released during the write, the next driver does what follows from the transition.
        return ours && writing.event.type === wanted.type ? active.task : undefined;
      }
      if (writing.unknown.length > 0) feed.changedRemotely([active.task.id]);
      if (!driven) {
        log.warn(
          { event: 'task.driver_changed', task: active.task.id, transition: writing.event.type },
          'another node drives the task',
        );
        return undefined;
      }
      // An earlier write was committed although it seemed to fail, or a cancel request was stored: try again on the stored task.
    }
  }

  function isDue(active: ActiveTask, { only, attempt }: MoveOptions): boolean {
    const { phase, attempt: { number } = {} } = active.task;
    return drives(active) && (only ?? phase) === phase && (attempt ?? number) === number;
  }

  /** Prepares another try of a write that failed. Throws if there is to be none. */
  async function recover(writing: Writing, next: Move, error: unknown): Promise<void> {
    const { active, event, options, given } = writing;
    if (error instanceof UpstreamIdTaken || error instanceof NoPlace) {
      active.moving = false;
      active.writeUnknown ||= writing.unknown.length > 0;
      throw error;
    }
    const refused = error instanceof StoreRefused;
    const failure = { event: 'task.write_failed', err: error, transition: event.type } as const;
    if (options.retryUntilWritten && !refused && !retry.stopped) {
      writing.unknown.push(next.task);
      return retry.wait(active.task.id, failure);
    }
    log.error(
      { ...failure, task: active.task.id },
      refused ? 'the store refuses the values of a transition' : 'a transition cannot be stored',
    );
    const instead = options.retryUntilWritten && refused ? fallbackFor(event) : undefined;
    if (instead) {
      // The media and the claim belong to the transition that is given up.
      if (instead.type !== event.type)
        writing.options = { ...given, media: [], claim: false, intend: undefined };
      writing.event = instead;
      return;
    }
    active.moving = false;
    active.writeUnknown = true;
    // If the write was committed, nobody else notifies the listeners of this node.
    feed.changedRemotely([active.task.id]);
    throw error;
  }

  /**
   * Takes over what is stored. `asWritten`: it is what this node has written; otherwise another node may have added a cancel request or
   * an upstream id, so the driver is woken to look at it.
   */
  function follow(
    active: ActiveTask,
    stored: Task | undefined,
    { driven, asWritten }: { driven: boolean; asWritten: boolean },
  ): void {
    const before = active.task;
    if (stored) active.task = stored;
    // A finished task is dropped before it is published, so that listeners read it from the store.
    if (!driven || isTerminal(active.task.phase)) {
      drop(active);
      return;
    }
    index(active);
    if (active.task.phase !== before.phase) endPhase(active);
    if (isUpstream(before) && !isUpstream(active.task)) leaveUpstream(active);
    if (!asWritten) active.wake?.();
  }

  /** Reads the stored task and retries while the store is down, because the change is not announced again. */
  async function readWithRetry(active: ActiveTask): Promise<Task | undefined> {
    while (drives(active)) {
      try {
        return await store.task(active.task.id);
      } catch (err) {
        if (retry.stopped) throw err;
        await retry.wait(active.task.id, { event: 'task.read_failed', err });
      }
    }
    return undefined;
  }

  async function refreshNow(active: ActiveTask): Promise<void> {
    const before = active.task;
    const stored = await readWithRetry(active);
    // If nothing newer is stored, a write whose outcome is unknown may still arrive.
    if (!stored || stored.version <= before.version || !drives(active)) return;
    active.writeUnknown = false;
    follow(active, stored, { driven: stored.owner === before.owner, asWritten: false });
  }

  /** Runs the work of one task in order, each after the one before has ended. */
  function inTurn<T>(active: ActiveTask, work: () => Promise<T>): Promise<T> {
    const done = active.lastMove.then(work);
    const ended = () => retry.ended(active.task.id);
    active.lastMove = done.then(ended, ended);
    return done;
  }

  return {
    apply: (active, event, options = {}) => inTurn(active, () => applyNow(active, event, options)),
    refresh: (active) => inTurn(active, () => refreshNow(active)),
    async settle() {
      retry.stop();
      await Promise.all([...parts.all()].map((active) => active.lastMove));
    },
  };
}

function logMoved(log: Log, { id, phase, version, attempt, error }: Task, { type }: Event): void {
  const { accountId: account, number, upstreamId, detail } = attempt ?? {};
  const moved = { event: 'task.moved', task: id, transition: type, phase, version } as const;
  // `detail` is stored without secrets and without the caller's words.
  const failure = type === 'failed' ? { reason: error?.reason, detail } : {};
  log.info({ ...moved, account, attempt: number, upstreamId, ...failure }, 'task moved');
}

/** Whether the upstream may have a job of the task that is not over. */
const isUpstream = ({ phase }: Task): boolean => phase === 'submitting' || phase === 'running';

/** Whether the stored task is the result of the write that was tried, with or without a cancel request stored after it. */
function isSameWrite(stored: Task, tried: Task): boolean {
  if (stored.version <= tried.version) return isDeepStrictEqual(stored, tried);
  const { version: _stored, cancelRequestedAt: _noted, ...is } = stored;
  const { version: _tried, cancelRequestedAt: _before, ...was } = tried;
  return isDeepStrictEqual(is, was);
}

/**
 * Tries to write a transition. Resolves with the stored task: after the transition, or as another writer left it. `again`: an earlier try
 * has an unknown outcome.
 */
async function write(
  store: TaskStore,
  move: Move,
  { media = [], claim = false, intend }: MoveOptions,
  again: boolean,
): Promise<Task | undefined> {
  const outcome = await (intend ? intend(move) : claim ? store.claim(move) : store.commit(move, media));
  if (outcome === 'no_place') {
    // The earlier try may have taken the last place while this one waited for the counter.
    const stored = again ? await store.task(move.task.id) : undefined;
    if (stored && stored.version > move.from.version) return stored;
    throw new NoPlace(`all places of the account are taken, so ${move.task.id} waits`);
  }
  if (outcome === 'taken') throw new UpstreamIdTaken(`${move.task.attempt?.upstreamId} is another task's`);
  return outcome === true || outcome === 'claimed' || outcome === 'written'
    ? move.task
    : store.task(move.task.id);
}
