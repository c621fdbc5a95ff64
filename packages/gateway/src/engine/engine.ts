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
import { type ActiveTask, createActiveTasks } from './activeTasks.ts';
import { type ClockSteps, createClockSteps } from './cleanup/clockSteps.ts';
import { removeTask } from './cleanup/removeTask.ts';
import { createRetention } from './cleanup/retention.ts';
import { type LiveProgress, maxProgress, shareProgress } from './events/progress.ts';
import type { EngineParts } from './parts.ts';
import { createLateResults } from './recovery/lateResults.ts';
import { createMediaScrub, type MediaScrub } from './repair/scrub.ts';
import { createResume } from './resume.ts';
import { createAdmission } from './stages/admit.ts';
import { createCancellation, tooLate } from './stages/cancel.ts';
import { createDownloads } from './stages/download.ts';
import { createPolling } from './stages/poll.ts';
import { createPollWatch, type PollWatch } from './stages/pollWatch.ts';
import { cancelRemotely } from './stages/remoteCancel.ts';
import { createSubmission } from './stages/submit.ts';
import { expiredWaiting, type Waiting, waitingFor } from './stages/waiting.ts';

/** A checked request, ready to become a task. */
export interface NewTask {
  readonly projectId: string;
  readonly keyId: string;
  readonly request: VideoRequest;
  readonly price: Price;
  /** Inputs that are already stored. */
  readonly media: readonly MediaRow[];
  readonly idempotency?: IdempotencyRecord;
}

/** How this node uses an account, for operators. */
export interface AccountUse {
  readonly id: string;
  readonly inFlight: number;
  /** This node's slots, and its share of the account's rates (0 … 1). */
  readonly places: number;
  readonly rate: number;
  /** Whether it is backing off after a failure. */
  readonly blocked: boolean;
}

/** Drives tasks from acceptance to their end: admission, submission, polling, download, publication. */
export interface Engine {
  /** Adopts all unfinished tasks without a live driver, and starts driving. */
  start(): Promise<void>;
  /** Accepts a task. Once this resolves, the task survives `kill -9` and power loss. */
  submit(task: NewTask): Promise<{ task: Task; replayed: boolean }>;
  /**
   * The task that was accepted earlier under this idempotency key. To be checked before anything that may change or fail between
   * two tries of a client. Throws a 422 if the key was used with another body.
   */
  acceptedUnder(
    projectId: string,
    idempotency: Pick<IdempotencyRecord, 'key' | 'bodyHash'>,
  ): Promise<Task | undefined>;
  read(taskId: string): Promise<Task | undefined>;
  /** As `read`, and whether the task may be cached until the feed invalidates it. */
  current(taskId: string): Promise<{ task: Task; keep: boolean } | undefined>;
  live(taskId: string): LiveProgress | undefined;
  /** Why a task has not been submitted yet, as far as this node knows. */
  waiting(task: Task): Waiting | undefined;
  /** Ends the back-off of an account, or of all accounts if there is no id. */
  retryAccounts(id?: string): void;
  cancel(task: Task): Promise<Task>;
  /** Deletes a finished task's prompt, inputs and video. */
  remove(task: Task): Promise<void>;
  /** A job of an account may have changed upstream. */
  hint(accountId: string, upstreamId: string): void;
  readonly draining: boolean;
  /** Verification and repair of the stored media. */
  readonly mediaScrub: MediaScrub;
  /** How this node uses each account. */
  accounts(): readonly AccountUse[];
  /** Whether this node can poll upstreams for its tasks. */
  readonly pollWatch: Pick<PollWatch, 'stalled' | 'stalledMs'>;
  /** Whether the wall clock can be trusted. */
  readonly clockSteps: ClockSteps;
  /** Number of tasks that this node drives. */
  readonly unfinished: number;
  /** Stops accepting tasks, waits for work that must not be interrupted, and leaves the rest to other nodes or the next start. */
  drain(timeoutMs: number): Promise<void>;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wires the parts of the engine to each other; the closures refer to each other in both directions
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
  const activeTasks = createActiveTasks({ ...parts, changed: changedRemotely });
  const calls = new Set<Promise<unknown>>();
  const unsubscribe: (() => void)[] = [];
  let draining = false;
  let settled = false;

  /** Tracks work that `drain` waits for. */
  function trackWork(work: Promise<unknown>): void {
    const tracked = work.catch((error) =>
      log.error(
        { event: 'task.driver_failed', err: error },
        'driving a task failed; the next start resumes it',
      ),
    );
    calls.add(tracked);
    void tracked.finally(() => calls.delete(tracked));
  }

  /** A video made from another one must use the account that holds the source. */
  function mayUse({ task }: Pick<ActiveTask, 'task'>, { account }: AccountState): boolean {
    const { source } = task.request;
    return parts.servedBy(account, task) && (source === undefined || source.accountId === account.id);
  }

  const downloads = createDownloads({ ...parts, activeTasks, accountStates });
  const polling = createPolling({
    ...parts,
    activeTasks,
    accountStates,
    finished: (active) => downloads.start(active),
    expired: (task) => lateResults.watch(task),
  });
  const pollWatch = createPollWatch({
    clock: timers,
    polls: polling.polls,
    callTimeoutMs: settings.callTimeoutMs,
    log,
  });
  const ownership = createOwnership({
    ...parts,
    activeTasks,
    resume: (task) => resume(task),
    release,
    movable,
    becomeLeader: () =>
      void lateResults
        .start()
        .catch((error) =>
          log.warn({ event: 'task.late_results_failed', err: error }, 'following expired tasks failed'),
        ),
  });
  const lateResults = createLateResults({ ...parts, accountStates });
  const progress = shareProgress(parts);
  const admission = createAdmission({
    accounts: [...accountStates.values()],
    timers,
    mayUse,
    admit: (active, account) => trackWork(submission.submit(active, account)),
  });
  const cancellation = createCancellation({ ...parts, activeTasks, admission, accountStates });
  const submission = createSubmission({
    ...parts,
    activeTasks,
    running(active) {
      polling.track(active);
      if (active.task.cancelRequestedAt !== undefined) trackWork(cancellation.executeRequest(active));
    },
    waiting: (active) => enqueue(active, true),
  });
  const mediaScrub = createMediaScrub({ ...parts, accountStates, leads: ownership.leads });
  const clockSteps = createClockSteps(parts);
  const retention = createRetention({ ...parts, leads: ownership.leads, clockSteps });
  const resume = createResume({
    ...parts,
    activeTasks,
    accountStates,
    submission,
    polling,
    downloads,
    cancellation,
    enqueue: (active) => enqueue(active),
    trackWork,
  });

  function enqueue(active: ActiveTask, front = false): void {
    active.cancelTimer?.();
    if (active.task.cancelRequestedAt !== undefined) {
      trackWork(cancellation.executeRequest(active));
      return;
    }
    if (timers.monotonic() >= active.deadline) {
      trackWork(expireWaiting(active));
      return;
    }
    active.cancelTimer = timers.after(msBetween(timers.monotonic(), active.deadline), () =>
      trackWork(expireWaiting(active)),
    );
    admission.enqueue(active, front);
  }

  async function expireWaiting(active: ActiveTask): Promise<void> {
    const error = expiredWaiting(waitingOf(active.task));
    const failed = { type: 'failed', error, outcome: 'expired' } as const;
    if (await activeTasks.apply(active, failed, { retryUntilWritten: true, only: 'accepted' }))
      admission.remove(active);
  }

  function waitingOf(task: Task): Waiting | undefined {
    if (task.phase !== 'accepted') return undefined;
    const active = activeTasks.get(task.id);
    const able = [...accountStates.values()].filter((state) => mayUse({ task }, state));
    // A task with a slot is already being submitted.
    return active?.slot ? undefined : waitingFor(able, active !== undefined);
  }

  function retryAccounts(id?: string): void {
    for (const [accountId, state] of accountStates) if (id === undefined || id === accountId) state.retry();
    for (const active of [...activeTasks]) {
      const accountId = active.task.attempt?.accountId;
      if (active.pollFailures > 0 && (id === undefined || id === accountId)) polling.pollNow(active);
    }
  }

  function movable({ task, moving, fetching }: ActiveTask): boolean {
    if (moving) return false;
    // No work is in progress any more, so any task can be continued on another node.
    if (settled) return true;
    const between =
      task.phase === 'accepted' ||
      (task.phase === 'running' && task.cancelRequestedAt === undefined) ||
      (task.phase === 'storing' && !fetching);
    // A job that runs inside this process would have to start again on another node.
    return between && !accountStates.get(task.attempt?.accountId ?? '')?.account.local;
  }

  function release(active: ActiveTask): void {
    admission.remove(active);
    activeTasks.release(active);
    progress.transferred(active.task.id, { percent: active.progress, expectedAt: active.expectedAt });
    // The next driver may change the task before this node receives a message.
    feed.invalidate(active.task.id);
  }

  /** Another node wrote a task that this node drives: a cancel request, or an upstream id that only that node knew. */
  function changedRemotely(active: ActiveTask, before: Task): void {
    const { phase, cancelRequestedAt } = active.task;
    if (before.phase === 'submitting' && phase === 'running') polling.track(active);
    if (before.cancelRequestedAt === undefined && cancelRequestedAt !== undefined) {
      trackWork(cancellation.executeRequest(active));
    }
  }

  async function reread(active: ActiveTask): Promise<void> {
    await activeTasks.refresh(active);
    if (!activeTasks.drives(active)) admission.remove(active);
  }

  function receive(message: Message): void {
    switch (message.kind) {
      case 'moved':
        for (const [id, version] of message.tasks) {
          const active = activeTasks.get(id);
          if (active && version > active.task.version) trackWork(reread(active));
        }
        break;
      case 'hint':
        pollJob(message.account, message.upstreamId);
        break;
      case 'retry':
        retryAccounts(message.account);
        break;
      default:
        break;
    }
  }

  /** Polls a job at once; false if this node does not drive its task. */
  function pollJob(accountId: string, upstreamId: string): boolean {
    const active = activeTasks.byUpstream(accountId, upstreamId);
    if (active) polling.pollNow(active);
    return active !== undefined;
  }

  /** The task in memory, if it is current: this node drives it, and no newer state is being written. */
  function inMemory(taskId: string): Task | undefined {
    const active = activeTasks.get(taskId);
    return active && !active.moving && !active.writeUnknown && cluster.hasLease() ? active.task : undefined;
  }

  /** Transfers tasks to other nodes, so that they need not wait for this node's lease to expire. */
  async function handOver(): Promise<void> {
    if (!cluster.shared) return;
    try {
      const given = await ownership.transferAll();
      if (given > 0)
        log.info({ event: 'ownership.handed_over', tasks: given }, 'handed tasks over to the other nodes');
    } catch (error) {
      log.warn(
        { event: 'ownership.handover_failed', err: error },
        'cannot hand tasks over to the other nodes; they will adopt them',
      );
    }
  }

  return {
    async start() {
      for (const account of accounts) {
        const stop = account.provider.onHint?.((upstreamId) => this.hint(account.id, upstreamId));
        if (stop) unsubscribe.push(stop);
      }
      feed.onChange(({ task, transition }) => {
        const active = transition ? undefined : activeTasks.get(task.id);
        if (active) progress.update(task.id, { percent: active.progress, expectedAt: active.expectedAt });
      });
      cluster.onMessage(receive);
      await ownership.start();
      retention.start();
      mediaScrub.start();
    },

    async submit({ projectId, keyId, request, price, media, idempotency }) {
      if (draining) throw drainingError();
      // Without a lease, nobody would drive the task until other nodes adopt it.
      if (!cluster.hasLease()) throw notConnected();
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
          // If this node is draining or has lost its lease, the stored task waits for another driver.
          if (!draining && cluster.hasLease() && cluster.node === task.owner) enqueue(activeTasks.take(task));
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
      return inMemory(taskId) ?? store.task(taskId);
    },
    async current(taskId) {
      const own = inMemory(taskId);
      const task = own ?? (await store.task(taskId));
      return (
        task && { task, keep: isTerminal(task.phase) || (own !== undefined && inMemory(taskId) === own) }
      );
    },
    live(taskId) {
      const active = activeTasks.get(taskId);
      const told = progress.of(taskId);
      if (!active) return told;
      // The previous driver may have broadcast more progress than this node has seen yet.
      return { percent: maxProgress(active.progress, told?.percent), expectedAt: active.expectedAt };
    },

    waiting: waitingOf,
    retryAccounts,

    async cancel(task) {
      const active = activeTasks.get(task.id);
      if (active) return cancellation.cancel(active);
      const current = await store.task(task.id);
      if (!current) throw taskNotFound();
      if (isTerminal(current.phase) && current.error?.reason === 'cancelled') return current;
      if (isTerminal(current.phase)) throw tooLate(current, `has ${current.phase} already`);
      if (!cluster.shared) throw drainingError();
      return cancelRemotely(parts, current);
    },

    remove: (task) => removeTask(parts, task),
    hint(accountId, upstreamId) {
      if (!pollJob(accountId, upstreamId))
        cluster.broadcast({ kind: 'hint', account: accountId, upstreamId });
    },
    get draining() {
      return draining;
    },
    mediaScrub,
    accounts: () =>
      [...accountStates].map(([id, state]) => ({
        id,
        inFlight: state.inUse,
        places: state.share.places(),
        rate: state.share.rate(),
        blocked: state.blocked(),
      })),
    pollWatch: pollWatch,
    clockSteps,
    get unfinished() {
      return activeTasks.size;
    },

    async drain(timeoutMs) {
      draining = true;
      ownership.stop();
      admission.stop();
      retention.stop();
      polling.stop();
      pollWatch.stop();
      lateResults.stop();
      submission.stop();
      for (const stop of unsubscribe) stop();
      await handOver();
      // Wait for submissions in progress: if interrupted, their outcome would be unknown.
      const finished = Promise.all([Promise.all(calls), downloads.stop(), mediaScrub.stop()]).then(() =>
        activeTasks.settle(),
      );
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), timeoutMs);
      });
      if ((await Promise.race([finished, late])) === 'late') {
        log.warn(
          { event: 'gateway.drain_timed_out', calls: calls.size },
          'drain timed out; the next start resumes what is left',
        );
        void activeTasks.settle();
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
