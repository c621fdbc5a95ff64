import { setTimeout as sleep } from 'node:timers/promises';
import type { MediaRow } from '../store/store.ts';
import { type Event, move } from '../tasks/lifecycle.ts';
import { isTerminal, type Phase, type Task } from '../tasks/task.ts';
import type { AccountState } from './accountState.ts';
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
  /** Accounts that refused this task in a way that trying again cannot mend. */
  readonly avoid: Set<string>;
  /** Questions in a row that failed, or found no such job. */
  askFailures: number;
  missingSince: number | undefined;
  /** Cancels whatever the task waits for. */
  cancelTimer: (() => void) | undefined;
  /** Moves of one task are written one after the other, each judged on the outcome of the one before. */
  lastMove: Promise<unknown>;
}

/** Waits between tries of a write that must not be given up, in milliseconds. */
const STORE_RETRY_MS = 250;

interface MoveOptions {
  readonly media?: readonly MediaRow[];
  readonly insist?: boolean;
  readonly only?: Phase;
}

/** The unfinished tasks that this node drives, and the one way to change them. */
export interface Hands {
  take(task: Task): Hand;
  get(taskId: string): Hand | undefined;
  /** False once the task is finished, or was lost to another driver. */
  drives(hand: Hand): boolean;
  /** The task behind an account's job. */
  byUpstream(accountId: string, upstreamId: string): Hand | undefined;
  readonly size: number;
  /**
   * Makes a move durable, then announces it. Undefined where the move is not legal (any more): somebody else was first.
   * `insist` tries again for as long as the store is down: for facts that only this process knows.
   * `only` makes the move illegal in any other phase: for decisions that a move still under way may overtake.
   */
  apply(hand: Hand, event: Event, options?: MoveOptions): Promise<Task | undefined>;
  /** Tells the feed that progress moved. */
  report(hand: Hand, progress: number | undefined, expectedAt: number): void;
  /** Moves under way are finished when this resolves; insisting ends. */
  settle(): Promise<void>;
}

export function createHands({ store, feed, timers, log, settings }: EngineParts): Hands {
  const hands = new Map<string, Hand>();
  const upstream = new Map<string, Hand>();
  let settling = false;

  const jobOf = ({ attempt }: Task): string | undefined =>
    attempt?.upstreamId === undefined ? undefined : `${attempt.accountId} ${attempt.upstreamId}`;

  function index(hand: Hand): void {
    const job = jobOf(hand.task);
    if (job !== undefined) upstream.set(job, hand);
  }

  function drop(hand: Hand): void {
    hand.cancelTimer?.();
    hands.delete(hand.task.id);
    const job = jobOf(hand.task);
    if (job !== undefined) upstream.delete(job);
    releaseSlot(hand);
  }

  /** What was lost to another driver must not be written again, not even in that driver's name. */
  const drives = (hand: Hand): boolean => hands.get(hand.task.id) === hand;

  async function applyNow(
    hand: Hand,
    event: Event,
    { media = [], insist = false, only }: MoveOptions = {},
  ): Promise<Task | undefined> {
    let unsure = false;
    for (;;) {
      if (!drives(hand) || (only !== undefined && hand.task.phase !== only)) return undefined;
      const next = move(hand.task, event, timers.now());
      if (!next) return undefined;
      let stored: Task | undefined;
      try {
        stored = (await store.commit(next, media)) ? next.task : await store.task(hand.task.id);
      } catch (error) {
        log.error({ err: error, task: hand.task.id, event: event.type }, 'the store refused a transition');
        if (!insist || settling) throw error;
        unsure = true;
        await sleep(STORE_RETRY_MS);
        continue;
      }
      const driven = stored?.owner === settings.node;
      // A write whose answer was lost may be what is stored: nobody else writes a version for this node.
      const moved = stored === next.task || (unsure && driven && stored?.version === next.task.version);
      if (stored) hand.task = stored;
      // A finished task leaves our hands before it is announced: who is woken reads the stored truth.
      if (!driven || isTerminal(hand.task.phase)) drop(hand);
      else index(hand);
      if (moved) {
        log.info(
          { task: hand.task.id, event: event.type, phase: hand.task.phase, version: hand.task.version },
          'task moved',
        );
        feed.publish({ task: hand.task, transition: true });
        return hand.task;
      }
      if (!driven) {
        log.warn({ task: hand.task.id, event: event.type }, 'lost the task to another driver');
        return undefined;
      }
      // An earlier write was made although it seemed to fail: the event is judged again on what is stored.
    }
  }

  return {
    take(task) {
      const hand: Hand = {
        task,
        progress: undefined,
        expectedAt: undefined,
        slot: undefined,
        avoid: new Set(),
        askFailures: 0,
        missingSince: undefined,
        cancelTimer: undefined,
        lastMove: Promise.resolve(),
      };
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
    apply(hand, event, options) {
      const moved = hand.lastMove.then(() => applyNow(hand, event, options));
      hand.lastMove = moved.catch(() => undefined);
      return moved;
    },
    report(hand, progress, expectedAt) {
      const before = hand.progress;
      // 100 is said by `succeeded` alone: the bytes are ours only then.
      if (progress !== undefined) hand.progress = Math.max(before ?? 0, Math.min(99, Math.floor(progress)));
      const moved = hand.progress !== before || hand.expectedAt === undefined;
      hand.expectedAt = expectedAt;
      if (moved) feed.publish({ task: hand.task, transition: false });
    },
    async settle() {
      settling = true;
      await Promise.all([...hands.values()].map((hand) => hand.lastMove));
    },
  };
}

/** Gives the account its place back, once. */
export function releaseSlot(hand: Hand): void {
  hand.slot?.release();
  hand.slot = undefined;
}
