import { setTimeout as sleep } from 'node:timers/promises';
import type { AccountState } from '../limits/account.ts';
import { StoreRefused } from '../store/errors.ts';
import type { MediaRow } from '../store/store.ts';
import { type Event, type Move, move } from '../tasks/lifecycle.ts';
import { isTerminal, type Phase, type Task } from '../tasks/task.ts';
import { later, type Moment } from '../time/clock.ts';
import { plainer } from './fallbackEvent.ts';
import { cameOf } from './isSameWrite.ts';
import type { EngineParts } from './parts.ts';

/** An unfinished task in this node's hands: the stored task, and what need not be stored. */
export interface Hand {
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
  unsure: boolean;
  /** Moves of one task are written one after the other, each judged on the outcome of the one before. */
  lastMove: Promise<unknown>;
}

/** What a task that is upstream has left at least when it is taken into hand: as long as a last look may take. Milliseconds. */
const LEAST_LEFT_MS = 600_000;
/** Waits between tries of a write that must not be given up, in milliseconds. */
const STORE_RETRY_MS = 250;

interface MoveOptions {
  readonly media?: readonly MediaRow[];
  readonly insist?: boolean;
  readonly only?: Phase;
  /** The move gives the attempt its upstream id, which must not be another attempt's. */
  readonly claim?: boolean;
}

/** The upstream id was claimed for another attempt first. */
export class UpstreamIdTaken extends Error {}

/** The unfinished tasks that this node drives, and the one way to change them. */
export interface Hands {
  take(task: Task): Hand;
  get(taskId: string): Hand | undefined;
  /** False once the task is finished, or has another driver. */
  drives(hand: Hand): boolean;
  /** The task behind an account's job. */
  byUpstream(accountId: string, upstreamId: string): Hand | undefined;
  readonly size: number;
  [Symbol.iterator](): Iterator<Hand>;
  /**
   * Makes a move durable, then announces it. Undefined where the move is not legal (any more): somebody else was first.
   * `insist` tries again for as long as the store is down: for facts that only this process knows. Where the store refuses
   * the values of the move, something plainer is written instead.
   * `only` makes the move illegal in any other phase: for decisions that a move still under way may overtake.
   * With `claim`, throws `UpstreamIdTaken`.
   */
  apply(hand: Hand, event: Event, options?: MoveOptions): Promise<Task | undefined>;
  /** Reads what somebody else wrote: a wish to cancel, or the end. */
  refresh(hand: Hand): Promise<void>;
  /** Tells the feed that progress moved. */
  report(hand: Hand, progress: number | undefined, expectedAt: number): void;
  /** Drives a task no more: whatever is still under way for it is not written in this driver's name. */
  letGo(hand: Hand): void;
  /** Moves under way are finished when this resolves; insisting ends. */
  settle(): Promise<void>;
}

interface HandsParts extends Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers' | 'log'> {
  /**
   * Somebody else's change came to light, by being told or as a move was written: a wish to cancel, or an id that was known
   * elsewhere alone. Whichever comes second has nothing new to say.
   */
  readonly changed: (hand: Hand, before: Task) => void;
}

export function createHands({ store, feed, clock, timers, log, changed }: HandsParts): Hands {
  const hands = new Map<string, Hand>();
  const upstream = new Map<string, Hand>();
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

  function index(hand: Hand): void {
    const job = jobOf(hand.task);
    if (job !== undefined) upstream.set(job, hand);
  }

  function drop(hand: Hand): void {
    hand.cancelTimer?.();
    hand.interrupt?.();
    // Its place may be another hand's by now: the task was let go and came back.
    if (hands.get(hand.task.id) === hand) hands.delete(hand.task.id);
    const job = jobOf(hand.task);
    if (job !== undefined && upstream.get(job) === hand) upstream.delete(job);
    releaseSlot(hand);
  }

  /** What was lost to another driver must not be written again, not even in that driver's name. */
  const drives = (hand: Hand): boolean => hands.get(hand.task.id) === hand;

  /** What is stored once a move was tried: the task after it, or what somebody else made of it. */
  async function write(move: Move, { media = [], claim = false }: MoveOptions): Promise<Task | undefined> {
    const outcome = claim ? await store.claim(move) : await store.commit(move, media);
    if (outcome === 'taken') throw new UpstreamIdTaken(`${move.task.attempt?.upstreamId} is another task's`);
    return outcome === true || outcome === 'claimed' ? move.task : store.task(move.task.id);
  }

  async function applyNow(hand: Hand, wanted: Event, given: MoveOptions): Promise<Task | undefined> {
    const { owner } = hand.task;
    let event = wanted;
    let options = given;
    // Writes whose answer was lost: each may have been made, with the time it was tried at.
    const unsure: Task[] = [];
    for (;;) {
      if (!drives(hand) || (options.only !== undefined && hand.task.phase !== options.only)) return undefined;
      const next = move(hand.task, event, clock.now());
      if (!next) return undefined;
      let stored: Task | undefined;
      hand.moving = true;
      feed.stale(hand.task.id);
      try {
        stored = await write(next, options);
      } catch (error) {
        if (error instanceof UpstreamIdTaken) {
          hand.moving = false;
          throw error;
        }
        log.error(
          { err: error, task: hand.task.id, event: event.type },
          error instanceof StoreRefused
            ? 'the store refuses a transition for its values'
            : 'a transition cannot be stored yet',
        );
        const instead = options.insist && error instanceof StoreRefused ? plainer(event) : undefined;
        if (instead) {
          // What came with the transition that is given up (an id to claim, media) goes with it.
          if (instead.type !== event.type) options = { ...given, media: [], claim: false };
          event = instead;
          continue;
        }
        if (!options.insist || settling || error instanceof StoreRefused) {
          hand.moving = false;
          hand.unsure = true;
          // Nobody else tells whoever waits here, if it was made.
          feed.elsewhere([hand.task.id]);
          throw error;
        }
        unsure.push(next.task);
        await sleep(STORE_RETRY_MS);
        continue;
      }
      hand.moving = false;
      hand.unsure = false;
      const moved = stored === next.task || unsure.some((tried) => stored && cameOf(stored, tried));
      const ours = drives(hand);
      const driven = ours && stored?.owner === owner;
      const before = hand.task;
      if (stored) hand.task = stored;
      // A finished task leaves our hands before it is announced: who is woken reads the stored truth.
      if (!driven || isTerminal(hand.task.phase)) drop(hand);
      else {
        index(hand);
        // Or a wish on top of a write whose answer was lost.
        if (!moved || unsure.length > 0) changed(hand, before);
      }
      if (moved) {
        log.info(
          { task: hand.task.id, event: event.type, phase: hand.task.phase, version: hand.task.version },
          'task moved',
        );
        feed.publish({ task: hand.task, transition: true });
        // Let go while it was written: it is true, but what follows from it is the next driver's.
        return ours && event.type === wanted.type ? hand.task : undefined;
      }
      if (unsure.length > 0) feed.elsewhere([hand.task.id]);
      if (!driven) {
        log.warn({ task: hand.task.id, event: event.type }, 'lost the task to another driver');
        return undefined;
      }
      // An earlier write was made although it seemed to fail, or somebody noted a wish: judged again on what is stored.
    }
  }

  /** As it is stored, however long the store is away: what was heard of it once is not told again. */
  async function readOn(hand: Hand): Promise<Task | undefined> {
    while (drives(hand)) {
      try {
        return await store.task(hand.task.id);
      } catch (error) {
        if (settling) throw error;
        log.warn({ err: error, task: hand.task.id }, 'a task that another node changed cannot be read yet');
        await sleep(STORE_RETRY_MS);
      }
    }
    return undefined;
  }

  /** One after the other, each on the outcome of the one before. */
  function inTurn<T>(hand: Hand, work: () => Promise<T>): Promise<T> {
    const done = hand.lastMove.then(work);
    hand.lastMove = done.catch(() => undefined);
    return done;
  }

  return {
    take(task) {
      const hand = newHand(task, deadlineOf(task));
      hands.set(task.id, hand);
      index(hand);
      return hand;
    },
    get: (taskId) => hands.get(taskId),
    drives,
    byUpstream: (accountId, upstreamId) => upstream.get(`${accountId} ${upstreamId}`),
    get size() {
      return hands.size;
    },
    [Symbol.iterator]: () => hands.values(),
    apply: (hand, event, options = {}) => inTurn(hand, () => applyNow(hand, event, options)),
    refresh: (hand) =>
      inTurn(hand, async () => {
        const before = hand.task;
        const stored = await readOn(hand);
        if (stored) hand.unsure = false;
        if (!stored || stored.version <= before.version || !drives(hand)) return;
        hand.task = stored;
        if (stored.owner !== before.owner || isTerminal(stored.phase)) return drop(hand);
        index(hand);
        changed(hand, before);
      }),
    report(hand, progress, expectedAt) {
      const before = hand.progress;
      // 100 is said by `succeeded` alone: the bytes are ours only then.
      if (progress !== undefined) hand.progress = Math.max(before ?? 0, Math.min(99, Math.floor(progress)));
      const moved = hand.progress !== before || hand.expectedAt === undefined;
      hand.expectedAt = expectedAt;
      if (moved) feed.publish({ task: hand.task, transition: false });
    },
    letGo: drop,
    async settle() {
      settling = true;
      await Promise.all([...hands.values()].map((hand) => hand.lastMove));
    },
  };
}

/** A task as it is taken into a hand. */
export const newHand = (task: Task, deadline: Moment): Hand => ({
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
  unsure: false,
  lastMove: Promise.resolve(),
});

/** Gives the account its place back, once. */
export function releaseSlot(hand: Hand): void {
  hand.slot?.release();
  hand.slot = undefined;
}
