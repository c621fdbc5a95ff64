import type { IdempotencyRecord, MediaRow } from '../store/store.ts';
import { draining as drainingError, OnetakeError, taskNotFound } from '../tasks/errors.ts';
import { newTaskId } from '../tasks/ids.ts';
import { move } from '../tasks/lifecycle.ts';
import { taskError } from '../tasks/reasons.ts';
import type { VideoRequest } from '../tasks/request.ts';
import type { Price } from '../tasks/task.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { type AccountState, createAccountState } from './accountState.ts';
import { createAdmission } from './admission.ts';
import { createCancelling, tooLate } from './cancelling.ts';
import { createCollecting } from './collecting.ts';
import { createHands, type Hand } from './hand.ts';
import { createLateResults } from './lateResults.ts';
import type { EngineParts } from './parts.ts';
import { createRetention } from './retention.ts';
import { createSubmission } from './submission.ts';
import { createTracking } from './tracking.ts';

/** A checked request, ready to become a task. */
export interface NewTask {
  readonly projectId: string;
  readonly keyId: string;
  readonly request: VideoRequest;
  readonly price: Price;
  /** Inputs stored for it already. */
  readonly media: readonly MediaRow[];
  readonly idempotency?: IdempotencyRecord;
}

/** What is known of an unfinished task beside its stored state. */
export interface LiveProgress {
  /** 0-100. */
  readonly percent: number | undefined;
  /** Milliseconds UTC. */
  readonly expectedAt: number | undefined;
}

/** Moves tasks from acceptance to their end: admit, submit, track, collect, announce. */
export interface Engine {
  /** Adopts every unfinished task that has no living driver, and starts driving. */
  start(): Promise<void>;
  /** Accepts a task. When this resolves the task survives `kill -9` and power loss. */
  submit(task: NewTask): Promise<{ task: Task; replayed: boolean }>;
  read(taskId: string): Promise<Task | undefined>;
  live(taskId: string): LiveProgress | undefined;
  cancel(task: Task): Promise<Task>;
  /** Deletes a finished task's words, inputs and video. */
  remove(task: Task): Promise<void>;
  /** A job of an account may have changed upstream. */
  hint(accountId: string, upstreamId: string): void;
  readonly draining: boolean;
  /** Calls `listener` when the gateway begins to stop, or at once if it does already. Returns the unsubscriber. */
  onDrain(listener: () => void): () => void;
  /** Tasks in hand. */
  readonly unfinished: number;
  /** Stops accepting, finishes what must not be cut short, and leaves the rest for the next start. */
  drain(timeoutMs: number): Promise<void>;
}

/** Tasks adopted in one transaction. */
const ADOPT_BATCH = 500;

export function createEngine(parts: EngineParts): Engine {
  const { store, storage, accounts, feed, timers, settings, log } = parts;
  const accountStates = new Map(accounts.map((account) => [account.id, createAccountState(account, timers)]));
  const hands = createHands(parts);
  const calls = new Set<Promise<unknown>>();
  const unsubscribe: (() => void)[] = [];
  const onDrain = new Set<() => void>();
  let draining = false;

  /** Keeps a promise that drain waits for. */
  function keep(work: Promise<unknown>): void {
    const kept = work.catch((error) =>
      log.error({ err: error }, 'driving a task stopped; the next start takes it up again'),
    );
    calls.add(kept);
    void kept.finally(() => calls.delete(kept));
  }

  /** A video made from another one is made by the account that has that one. */
  function mayUse({ task }: Hand, { account }: AccountState): boolean {
    const { source } = task.request;
    return parts.servedBy(account, task) && (source === undefined || source.accountId === account.id);
  }

  const collecting = createCollecting({ ...parts, hands, accountStates });
  const tracking = createTracking({
    ...parts,
    hands,
    accountStates,
    finished: (hand) => collecting.collect(hand),
    expired: (task) => lateResults.watch(task),
  });
  const lateResults = createLateResults({ ...parts, accountStates });
  const admission = createAdmission({
    accounts: [...accountStates.values()],
    timers,
    mayUse,
    admit: (hand, account) => keep(submission.submit(hand, account)),
  });
  const cancelling = createCancelling({ ...parts, hands, admission, accountStates });
  const submission = createSubmission({
    ...parts,
    hands,
    running(hand) {
      tracking.track(hand);
      if (hand.task.cancelRequestedAt !== undefined) keep(cancelling.carryOut(hand));
    },
    waiting: (hand) => enqueue(hand, true),
    alternatives: (hand) =>
      [...accountStates.values()].filter((state) => !hand.avoid.has(state.account.id) && mayUse(hand, state))
        .length,
  });
  const retention = createRetention(parts);

  function enqueue(hand: Hand, front = false): void {
    hand.cancelTimer?.();
    if (hand.task.cancelRequestedAt !== undefined) {
      keep(cancelling.carryOut(hand));
      return;
    }
    if (timers.now() >= hand.task.deadlineAt) {
      keep(expireWaiting(hand));
      return;
    }
    hand.cancelTimer = timers.at(hand.task.deadlineAt, () => keep(expireWaiting(hand)));
    admission.enqueue(hand, front);
  }

  async function expireWaiting(hand: Hand): Promise<void> {
    const message =
      'No place at the upstream provider fell free before the task expired; submit it again later.';
    const error = taskError('expired', message);
    const failed = { type: 'failed', error, outcome: 'expired' } as const;
    if (await hands.apply(hand, failed, { insist: true, only: 'accepted' })) admission.remove(hand);
  }

  /** Takes up an orphan where its last driver left it. */
  function takeUp(task: Task): void {
    // Throws where the catalogue no longer knows the task's model: nothing could be decided about it.
    parts.facts(task);
    const hand = hands.take(task);
    const state = accountStates.get(task.attempt?.accountId ?? '');
    if (state && (task.phase === 'submitting' || task.phase === 'running')) {
      state.occupy();
      hand.slot = state;
    }
    switch (task.phase) {
      case 'accepted':
        enqueue(hand);
        return;
      case 'submitting':
        // Without the account nobody can be asked what became of it, now or later.
        keep(state ? submission.reconcile(hand, state) : loseSubmission(hand));
        return;
      case 'running':
        tracking.track(hand);
        tracking.askNow(hand);
        if (task.cancelRequestedAt !== undefined) keep(cancelling.carryOut(hand));
        return;
      case 'storing':
        collecting.collect(hand);
    }
  }

  async function loseSubmission(hand: Hand): Promise<void> {
    const message =
      'The account that the task was being submitted to is not configured any more; submit the task again.';
    await hands.apply(
      hand,
      { type: 'failed', error: taskError('submission_unknown', message), outcome: 'unknown' },
      { insist: true },
    );
  }

  async function adopt(): Promise<void> {
    for (;;) {
      const orphans = await store.adopt(settings.node, ADOPT_BATCH);
      for (const task of orphans) {
        try {
          takeUp(task);
        } catch (error) {
          // One task that cannot be driven (its model left the catalogue, say) must not keep the others from it.
          log.error(
            { task: task.id, err: error },
            'cannot take this task up; it stays as it is until the next start',
          );
        }
      }
      if (orphans.length > 0) log.info({ tasks: orphans.length }, 'adopted unfinished tasks');
      if (orphans.length < ADOPT_BATCH) return;
    }
  }

  return {
    async start() {
      for (const account of accounts) {
        const stop = account.provider.onHint?.((upstreamId) => this.hint(account.id, upstreamId));
        if (stop) unsubscribe.push(stop);
      }
      await adopt();
      await lateResults.start();
      retention.start();
    },

    async submit({ projectId, keyId, request, price, media, idempotency }) {
      if (draining) throw drainingError();
      const now = timers.now();
      const task: Task = {
        id: newTaskId(),
        projectId,
        keyId,
        request,
        phase: 'accepted',
        version: 1,
        owner: settings.node,
        createdAt: now,
        deadlineAt: now + settings.taskDeadlineMs,
        price,
      };
      const accepted = await store.accept({
        task,
        ledger: [{ kind: 'hold', amountMicros: price.holdMicros }],
        media: media.map((row) => ({ ...row, taskId: task.id, state: 'present' as const })),
        ...(idempotency ? { idempotency } : {}),
      });
      switch (accepted.outcome) {
        case 'conflict':
          throw new OnetakeError(
            'idempotency_conflict',
            422,
            'This Idempotency-Key was used with another body; use a new key for a new request.',
          );
        case 'replayed':
          return { task: accepted.task, replayed: true };
        case 'accepted':
          feed.publish({ task, transition: true });
          // While draining the task is durable and waits for the next start.
          if (!draining) enqueue(hands.take(task));
          return { task, replayed: false };
      }
    },

    async read(taskId) {
      return hands.get(taskId)?.task ?? store.task(taskId);
    },
    live(taskId) {
      const hand = hands.get(taskId);
      return hand && { percent: hand.progress, expectedAt: hand.expectedAt };
    },

    async cancel(task) {
      const hand = hands.get(task.id);
      if (hand) return cancelling.cancel(hand);
      const current = await store.task(task.id);
      if (!current) throw taskNotFound();
      if (isTerminal(current.phase) && current.error?.reason === 'cancelled') return current;
      if (!isTerminal(current.phase)) throw drainingError();
      throw tooLate(current, `has ${current.phase} already`);
    },

    async remove(task) {
      if (!isTerminal(task.phase)) throw tooLate(task, 'is not finished; cancel it first');
      const now = timers.now();
      const deleted = move(task, { type: 'deleted' }, now);
      const rows = await store.mediaOf(task.id);
      // Expired with the same write: what is not removed below, the sweep removes.
      const expired = rows.map((row) => ({ ...row, expiresAt: now }));
      if (!deleted || !(await store.commit(deleted, expired))) return;
      feed.publish({ task: deleted.task, transition: true });
      for (const row of rows) await storage.remove(row.storageKey);
      await store.removeMedia(rows.map((row) => row.id));
    },

    hint(accountId, upstreamId) {
      const hand = hands.byUpstream(accountId, upstreamId);
      if (hand) tracking.askNow(hand);
    },
    get draining() {
      return draining;
    },
    onDrain(listener) {
      // Who comes too late to be told is told now, but not before this returns.
      if (draining) queueMicrotask(listener);
      onDrain.add(listener);
      return () => onDrain.delete(listener);
    },
    get unfinished() {
      return hands.size;
    },

    async drain(timeoutMs) {
      draining = true;
      for (const listener of [...onDrain]) listener();
      admission.stop();
      retention.stop();
      tracking.stop();
      lateResults.stop();
      submission.stop();
      for (const stop of unsubscribe) stop();
      // A submission under way is worth waiting for: cut short, its outcome would be unknown.
      const finished = Promise.all([Promise.all(calls), collecting.stop()]).then(() => hands.settle());
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), timeoutMs);
      });
      if ((await Promise.race([finished, late])) === 'late') {
        log.warn({ calls: calls.size }, 'drain timed out; what is left is taken up by the next start');
        void hands.settle();
      }
      clearTimeout(timer);
      timers.close();
    },
  };
}
