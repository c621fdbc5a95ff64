import type { Message } from '../cluster/cluster.ts';
import { createOwnership } from '../cluster/ownership.ts';
import { type AccountState, createAccountState } from '../limits/account.ts';
import { WHOLE_SHARES } from '../limits/limits.ts';
import type { IdempotencyRecord, MediaRow } from '../store/store.ts';
import { draining as drainingError, notConnected, OnetakeError, taskNotFound } from '../tasks/errors.ts';
import { newTaskId } from '../tasks/ids.ts';
import type { VideoRequest } from '../tasks/request.ts';
import type { Price } from '../tasks/task.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { msBetween } from '../time/clock.ts';
import { createHands, type Hand } from './activeTasks.ts';
import { type ClockSteps, createClockSteps } from './cleanup/clockSteps.ts';
import { removeTask } from './cleanup/removeTask.ts';
import { createRetention } from './cleanup/retention.ts';
import { further, type LiveProgress, shareProgress } from './events/progress.ts';
import type { EngineParts } from './parts.ts';
import { createLateResults } from './recovery/lateResults.ts';
import { createMediaCare, type MediaCare } from './repair/scrub.ts';
import { createTakingUp } from './resume.ts';
import { createAdmission } from './stages/admit.ts';
import { createCancelling, tooLate } from './stages/cancel.ts';
import { createCollecting } from './stages/download.ts';
import { createTracking } from './stages/poll.ts';
import { createPollWatch, type PollWatch } from './stages/pollWatch.ts';
import { cancelElsewhere } from './stages/remoteCancel.ts';
import { createSubmission } from './stages/submit.ts';
import { expiredWaiting, type Waiting, waitingFor } from './stages/waiting.ts';

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

/** How this node uses an account, for operators. */
export interface AccountUse {
  readonly id: string;
  readonly inFlight: number;
  /** Places that are this node's, and its part of the account's rates (0 … 1). */
  readonly places: number;
  readonly rate: number;
  /** Left alone after a failure. */
  readonly blocked: boolean;
}

/** Moves tasks from acceptance to their end: admit, submit, track, collect, announce. */
export interface Engine {
  /** Adopts every unfinished task that has no living driver, and starts driving. */
  start(): Promise<void>;
  /** Accepts a task. When this resolves the task survives `kill -9` and power loss. */
  submit(task: NewTask): Promise<{ task: Task; replayed: boolean }>;
  /**
   * The task that was accepted under this idempotency key before, to be asked for ahead of everything that may change or fail
   * between two tries. Throws a 422 where the key was used with another body.
   */
  acceptedUnder(
    projectId: string,
    idempotency: Pick<IdempotencyRecord, 'key' | 'bodyHash'>,
  ): Promise<Task | undefined>;
  read(taskId: string): Promise<Task | undefined>;
  /** As `read`, and whether the answer may be kept until the feed says that it is stale. */
  current(taskId: string): Promise<{ task: Task; keep: boolean } | undefined>;
  live(taskId: string): LiveProgress | undefined;
  /** What a task waits for before it goes upstream, as far as this node knows. */
  waiting(task: Task): Waiting | undefined;
  /** Tries an account again that is left alone after failures; every one where there is no id. */
  retryAccounts(id?: string): void;
  cancel(task: Task): Promise<Task>;
  /** Deletes a finished task's words, inputs and video. */
  remove(task: Task): Promise<void>;
  /** A job of an account may have changed upstream. */
  hint(accountId: string, upstreamId: string): void;
  readonly draining: boolean;
  /** What is stored, and how it is. */
  readonly mediaCare: MediaCare;
  /** How this node uses each account. */
  accounts(): readonly AccountUse[];
  /** Whether this node can ask upstreams about its tasks. */
  readonly polling: Pick<PollWatch, 'stalled' | 'stalledMs'>;
  /** Whether the wall clock can be believed. */
  readonly clockSteps: ClockSteps;
  /** Tasks in hand. */
  readonly unfinished: number;
  /** Stops accepting, finishes what must not be cut short, and leaves the rest for the next start. */
  drain(timeoutMs: number): Promise<void>;
}

export function createEngine(parts: EngineParts): Engine {
  const { store, accounts, cluster, feed, clock, timers, settings, log } = parts;
  const { shares = WHOLE_SHARES } = parts;
  const accountStates = new Map(
    accounts.map((account) => {
      const usage = () => ({ inUse: state.inUse, waiting: admission.waiting(state) });
      const state: AccountState = createAccountState(
        account,
        timers,
        shares.of(account, usage),
        Math.random,
        clock,
      );
      return [account.id, state];
    }),
  );
  const hands = createHands({ ...parts, changed: changedElsewhere });
  const calls = new Set<Promise<unknown>>();
  const unsubscribe: (() => void)[] = [];
  let draining = false;
  let settled = false;

  /** Keeps a promise that drain waits for. */
  function keep(work: Promise<unknown>): void {
    const kept = work.catch((error) =>
      log.error({ err: error }, 'driving a task stopped; the next start takes it up again'),
    );
    calls.add(kept);
    void kept.finally(() => calls.delete(kept));
  }

  /** A video made from another one is made by the account that has that one. */
  function mayUse({ task }: Pick<Hand, 'task'>, { account }: AccountState): boolean {
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
  const polling = createPollWatch({
    clock: timers,
    polls: tracking.polls,
    callTimeoutMs: settings.callTimeoutMs,
    log,
  });
  const ownership = createOwnership({
    ...parts,
    hands,
    takeUp: (task) => takeUp(task),
    letGo,
    movable,
    takeUpAlone: () => void lateResults.start().catch((error) => log.warn({ err: error }, 'late results')),
  });
  const lateResults = createLateResults({ ...parts, accountStates });
  const progress = shareProgress(parts);
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
  });
  const mediaCare = createMediaCare({ ...parts, accountStates, leads: ownership.leads });
  const clockSteps = createClockSteps(parts);
  const retention = createRetention({ ...parts, leads: ownership.leads, clockSteps });
  const takeUp = createTakingUp({
    ...parts,
    hands,
    accountStates,
    submission,
    tracking,
    collecting,
    cancelling,
    enqueue: (hand) => enqueue(hand),
    keep,
  });

  function enqueue(hand: Hand, front = false): void {
    hand.cancelTimer?.();
    if (hand.task.cancelRequestedAt !== undefined) {
      keep(cancelling.carryOut(hand));
      return;
    }
    if (timers.monotonic() >= hand.deadline) {
      keep(expireWaiting(hand));
      return;
    }
    hand.cancelTimer = timers.after(msBetween(timers.monotonic(), hand.deadline), () =>
      keep(expireWaiting(hand)),
    );
    admission.enqueue(hand, front);
  }

  async function expireWaiting(hand: Hand): Promise<void> {
    const error = expiredWaiting(waitingOf(hand.task));
    const failed = { type: 'failed', error, outcome: 'expired' } as const;
    if (await hands.apply(hand, failed, { insist: true, only: 'accepted' })) admission.remove(hand);
  }

  function waitingOf(task: Task): Waiting | undefined {
    if (task.phase !== 'accepted') return undefined;
    const hand = hands.get(task.id);
    const able = [...accountStates.values()].filter((state) => mayUse({ task }, state));
    // With a place it is on its way.
    return hand?.slot ? undefined : waitingFor(able, hand !== undefined);
  }

  function retryAccounts(id?: string): void {
    for (const [accountId, state] of accountStates) if (id === undefined || id === accountId) state.retry();
    for (const hand of [...hands]) {
      const accountId = hand.task.attempt?.accountId;
      if (hand.askFailures > 0 && (id === undefined || id === accountId)) tracking.askNow(hand);
    }
  }

  function movable({ task, moving, fetching }: Hand): boolean {
    if (moving) return false;
    // Nothing is under way any more, so everything can be continued elsewhere.
    if (settled) return true;
    const between =
      task.phase === 'accepted' ||
      (task.phase === 'running' && task.cancelRequestedAt === undefined) ||
      (task.phase === 'storing' && !fetching);
    // What runs inside this process would have to begin anew elsewhere.
    return between && !accountStates.get(task.attempt?.accountId ?? '')?.account.local;
  }

  function letGo(hand: Hand): void {
    admission.remove(hand);
    hands.letGo(hand);
    progress.left(hand.task.id, { percent: hand.progress, expectedAt: hand.expectedAt });
    // Its next driver may move it before it is told.
    feed.stale(hand.task.id);
  }

  /** Somebody else wrote one of our tasks: a wish to cancel it, or an id that was known elsewhere alone. */
  function changedElsewhere(hand: Hand, before: Task): void {
    const { phase, cancelRequestedAt } = hand.task;
    if (before.phase === 'submitting' && phase === 'running') tracking.track(hand);
    if (before.cancelRequestedAt === undefined && cancelRequestedAt !== undefined) {
      keep(cancelling.carryOut(hand));
    }
  }

  async function reread(hand: Hand): Promise<void> {
    await hands.refresh(hand);
    if (!hands.drives(hand)) admission.remove(hand);
  }

  function hear(message: Message): void {
    switch (message.kind) {
      case 'moved':
        for (const [id, version] of message.tasks) {
          const hand = hands.get(id);
          if (hand && version > hand.task.version) keep(reread(hand));
        }
        break;
      case 'hint':
        askAbout(message.account, message.upstreamId);
        break;
      case 'retry':
        retryAccounts(message.account);
        break;
      default:
        break;
    }
  }

  /** False where the job is none of this node's. */
  function askAbout(accountId: string, upstreamId: string): boolean {
    const hand = hands.byUpstream(accountId, upstreamId);
    if (hand) tracking.askNow(hand);
    return hand !== undefined;
  }

  /** In memory, if that is the truth: nobody else drives the task, and nothing newer is being written. */
  function inHand(taskId: string): Task | undefined {
    const hand = hands.get(taskId);
    return hand && !hand.moving && !hand.unsure && cluster.held() ? hand.task : undefined;
  }

  /** Other nodes go on at once, instead of finding out that this one is gone. */
  async function handOver(): Promise<void> {
    if (!cluster.shared) return;
    try {
      const given = await ownership.giveAll();
      if (given > 0) log.info({ tasks: given }, 'gave tasks to the other nodes');
    } catch (error) {
      log.warn({ err: error }, 'tasks could not be given to the other nodes, which adopt them instead');
    }
  }

  return {
    async start() {
      for (const account of accounts) {
        const stop = account.provider.onHint?.((upstreamId) => this.hint(account.id, upstreamId));
        if (stop) unsubscribe.push(stop);
      }
      feed.onChange(({ task, transition }) => {
        const hand = transition ? undefined : hands.get(task.id);
        if (hand) progress.tell(task.id, { percent: hand.progress, expectedAt: hand.expectedAt });
      });
      cluster.onMessage(hear);
      await ownership.start();
      retention.start();
      mediaCare.start();
    },

    async submit({ projectId, keyId, request, price, media, idempotency }) {
      if (draining) throw drainingError();
      // Nobody would drive it before others take this node for dead.
      if (!cluster.held()) throw notConnected();
      const now = clock.now();
      const task: Task = {
        id: newTaskId(),
        projectId,
        keyId,
        request,
        phase: 'accepted',
        version: 1,
        owner: cluster.node,
        createdAt: now,
        deadlineAt: now + settings.taskDeadlineMs,
        price,
      };
      const accepted = await ownership.during(task.id, async () => {
        const outcome = await store.accept({
          task,
          ledger: [{ kind: 'hold', amountMicros: price.holdMicros }],
          media: media.map((row) => ({ ...row, taskId: task.id, state: 'present' as const })),
          ...(idempotency ? { idempotency } : {}),
        });
        if (outcome.outcome === 'accepted') {
          feed.publish({ task, transition: true });
          // While draining the task is durable and waits for another driver, as it does where the session was lost meanwhile.
          if (!draining && cluster.held() && cluster.node === task.owner) enqueue(hands.take(task));
        }
        return outcome;
      });
      switch (accepted.outcome) {
        case 'conflict':
          throw idempotencyConflict();
        case 'replayed':
          return { task: accepted.task, replayed: true };
        case 'accepted':
          return { task, replayed: false };
      }
    },

    async acceptedUnder(projectId, { key, bodyHash }) {
      const accepted = await store.acceptedUnder(projectId, key, clock.now());
      if (accepted && accepted.bodyHash !== bodyHash) throw idempotencyConflict();
      return accepted?.task;
    },
    async read(taskId) {
      return inHand(taskId) ?? store.task(taskId);
    },
    async current(taskId) {
      const own = inHand(taskId);
      const task = own ?? (await store.task(taskId));
      return task && { task, keep: isTerminal(task.phase) || (own !== undefined && inHand(taskId) === own) };
    },
    live(taskId) {
      const hand = hands.get(taskId);
      const told = progress.of(taskId);
      if (!hand) return told;
      // What its driver before this one has told may be more than this one has heard yet.
      return { percent: further(hand.progress, told?.percent), expectedAt: hand.expectedAt };
    },

    waiting: waitingOf,
    retryAccounts,

    async cancel(task) {
      const hand = hands.get(task.id);
      if (hand) return cancelling.cancel(hand);
      const current = await store.task(task.id);
      if (!current) throw taskNotFound();
      if (isTerminal(current.phase) && current.error?.reason === 'cancelled') return current;
      if (isTerminal(current.phase)) throw tooLate(current, `has ${current.phase} already`);
      if (!cluster.shared) throw drainingError();
      return cancelElsewhere(parts, current);
    },

    remove: (task) => removeTask(parts, task),
    hint(accountId, upstreamId) {
      if (!askAbout(accountId, upstreamId)) cluster.tell({ kind: 'hint', account: accountId, upstreamId });
    },
    get draining() {
      return draining;
    },
    mediaCare,
    accounts: () =>
      [...accountStates].map(([id, state]) => ({
        id,
        inFlight: state.inUse,
        places: state.share.places(),
        rate: state.share.rate(),
        blocked: state.blocked(),
      })),
    polling,
    clockSteps,
    get unfinished() {
      return hands.size;
    },

    async drain(timeoutMs) {
      draining = true;
      ownership.stop();
      admission.stop();
      retention.stop();
      tracking.stop();
      polling.stop();
      lateResults.stop();
      submission.stop();
      for (const stop of unsubscribe) stop();
      await handOver();
      // A submission under way is worth waiting for: cut short, its outcome would be unknown.
      const finished = Promise.all([Promise.all(calls), collecting.stop(), mediaCare.stop()]).then(() =>
        hands.settle(),
      );
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), timeoutMs);
      });
      if ((await Promise.race([finished, late])) === 'late') {
        log.warn({ calls: calls.size }, 'drain timed out; what is left is taken up by the next start');
        void hands.settle();
      }
      clearTimeout(timer);
      settled = true;
      await handOver();
      timers.close();
    },
  };
}

const idempotencyConflict = (): OnetakeError =>
  new OnetakeError(
    'idempotency_conflict',
    422,
    'This Idempotency-Key was used with another body; use a new key for a new request.',
  );
