import { createOwnership, type Ownership } from '../cluster/ownership.ts';
import type { Account } from '../providers/account.ts';
import { draining as drainingError, OnetakeError, taskNotFound } from '../tasks/errors.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { type Acceptance, createAcceptance } from './acceptance.ts';
import { type AccountPool, createAccountPool } from './accountPool.ts';
import { type ActiveTasks, createActiveTasks } from './activeTasks.ts';
import { type ClockSteps, createClockSteps } from './cleanup/clockSteps.ts';
import { removeTask } from './cleanup/removeTask.ts';
import { createRetention } from './cleanup/retention.ts';
import { createDriver } from './drive.ts';
import { shareProgress } from './events/progress.ts';
import { createStandby } from './ingest/standby.ts';
import type { EngineParts } from './parts.ts';
import { createReads, type Reads } from './reads.ts';
import { createConfirm } from './recovery/confirm.ts';
import { createDuplicateGuard } from './recovery/duplicateGuard.ts';
import { createLateResults } from './recovery/lateResults.ts';
import { createSubmissionSearch } from './recovery/search.ts';
import { createMediaScrub, type MediaScrub } from './repair/scrub.ts';
import { createSignals, type Signals } from './signals.ts';
import { createAdmit } from './stages/admit.ts';
import { cancelRemotely, createCancellation, tooLate } from './stages/cancel.ts';
import { createDownload } from './stages/download.ts';
import { createLostJobs } from './stages/lostJob.ts';
import { createPoll } from './stages/poll.ts';
import { createPoller } from './stages/poller.ts';
import { createPollWatch, type PollWatch } from './stages/pollWatch.ts';
import { createSubmit } from './stages/submit.ts';
import { createLearning, type Learning } from './tracking/learning.ts';
import { createTracker, type Tracker } from './tracking/tracker.ts';

/** How this node uses an account, for operators. */
export interface AccountUse {
  readonly id: string;
  /** Tasks of this node that the account is working on. */
  readonly inFlight: number;
  /** Its places, and how many of them all nodes use, as far as this node knows. */
  readonly places: number;
  readonly placesUsed: number;
  /** Whether it is backing off after a failure. */
  readonly blocked: boolean;
  /** The part of the ends of its jobs that callbacks certainly tell: 0 without callbacks, below 1 always. */
  readonly callbackReliability: number;
  /** The expected delay that is worth a poll of one of its jobs. Milliseconds. */
  readonly pollPriceMs: number;
}

/** Drives tasks from acceptance to their end: admission, submission, polling, download, publication. */
export interface Engine extends Acceptance, Reads, Pick<Signals, 'hint' | 'retryAccounts'> {
  /** Adopts all unfinished tasks without a live driver, and starts driving. */
  start(): Promise<void>;
  /**
   * Cancels a task, on whatever node it is driven. Resolves with the task, which may still be unfinished. Throws a 409 if it is too
   * late or the upstream cannot cancel.
   */
  cancel(task: Task): Promise<Task>;
  /** Deletes a finished task's prompt, inputs and video. */
  remove(task: Task): Promise<void>;
  readonly draining: boolean;
  /** Verification and repair of the stored media. */
  readonly mediaScrub: MediaScrub;
  /** How this node uses each account. */
  accounts(): readonly AccountUse[];
  /** Members of fleets were added to `parts.accounts`, removed, or given other places. */
  membersChanged(): void;
  /** Whether this node can poll upstreams for its tasks. */
  readonly pollWatch: Pick<PollWatch, 'stalled' | 'stalledMs'>;
  /** Whether the wall clock can be trusted. */
  readonly clockSteps: ClockSteps;
  /** Number of tasks that this node drives. */
  readonly unfinished: number;
  /** Stops accepting tasks, waits for work that must not be interrupted, and leaves the rest to other nodes or the next start. */
  drain(timeoutMs: number): Promise<void>;
}

export function createEngine(parts: EngineParts): Engine {
  const { store, cluster, settings } = parts;
  const stopping = new AbortController();
  const pool = createAccountPool(parts);
  const activeTasks = createActiveTasks({ ...parts, moved: pool.moved });
  const learning = createLearning(parts);
  const tracker =
    parts.tracker ??
    createTracker({
      ...parts,
      ...learning,
      planAgain: (accountId) => driving.poller.planAgain(accountId),
    });
  function addAccount(account: Account): void {
    pool.add(account);
    // Tasks that wait for the account look again.
    for (const { task, wake } of activeTasks) if (task.attempt?.accountId === account.id) wake?.();
  }
  const common = {
    ...parts,
    pool,
    async openFormer(id: string, server: string) {
      const account = await parts.openFormer?.(id, server);
      if (account) addAccount(account);
      return account;
    },
    accountStates: pool.states,
    activeTasks,
    learning,
    tracker,
    stopping: stopping.signal,
  };
  const driving = createDriving(common, stopping);
  const { driver, poller, cancellation, lateResults, progress } = driving;
  const pollWatch = createPollWatch({ ...parts, clock: parts.timers, polls: poller.polls, ...settings });
  const ownership = createOwnership({
    ...parts,
    activeTasks,
    resume: driver.resume,
    release: driver.release,
    isTransferable: driver.isTransferable,
    becomeLeader: () => void lateResults.start(),
  });
  const { leads } = ownership;
  const mediaScrub = createMediaScrub({ ...common, leads });
  const clockSteps = createClockSteps(parts);
  const retention = createRetention({ ...parts, leads, clockSteps });
  const signals = createSignals({ ...common, poller });
  const standby = createStandby(common);

  return {
    ...createAcceptance({ ...common, ownership, driver }),
    ...createReads({ ...common, progress }),
    hint: signals.hint,
    retryAccounts: signals.retryAccounts,
    async start() {
      signals.start();
      standby.start();
      await Promise.all([pool.start(), learning.start()]);
      await ownership.start();
      retention.start();
      mediaScrub.start();
    },
    async cancel(task) {
      const active = activeTasks.get(task.id);
      if (active) return cancellation.cancel(active);
      const current = await store.task(task.id);
      if (!current) throw taskNotFound();
      if (isTerminal(current.phase) && current.error?.reason === 'cancelled') return current;
      if (isTerminal(current.phase)) throw tooLate(current, `has ${current.phase} already`);
      if (!cluster.shared) throw stopping.signal.aborted ? drainingError() : notDrivenYet();
      return cancelRemotely(parts, current);
    },
    remove: (task) => removeTask(parts, task),
    get draining() {
      return stopping.signal.aborted;
    },
    mediaScrub,
    accounts: () => usesOf(pool, activeTasks, tracker),
    membersChanged() {
      for (const account of parts.accounts) addAccount(account);
      pool.look();
    },
    pollWatch,
    clockSteps,
    get unfinished() {
      return activeTasks.size;
    },
    async drain(timeoutMs) {
      ownership.stop();
      pool.admission.stop();
      driver.stop();
      for (const part of [retention, pollWatch, lateResults, signals, standby]) part.stop();
      // The nodes that take the tasks over plan by it.
      await learning.stop();
      await handOver(parts, ownership);
      // Submissions in progress are waited for: if interrupted, their outcome would be unknown.
      const finished = Promise.all([driver.idle(), mediaScrub.stop()]).then(() => activeTasks.settle());
      if (!(await endsWithin(finished, timeoutMs))) {
        parts.log.warn(
          { event: 'gateway.drain_timed_out', tasks: activeTasks.size },
          'drain timed out; the next start resumes what is left',
        );
        void activeTasks.settle();
      }
      driver.allowTransfers();
      await handOver(parts, ownership);
      await pool.stop();
      parts.timers.close();
    },
  };
}

function usesOf(
  { states }: AccountPool,
  activeTasks: ActiveTasks,
  tracker: Pick<Tracker, 'account'>,
): readonly AccountUse[] {
  const inFlight = new Map<string, number>();
  for (const { place } of activeTasks)
    if (place) inFlight.set(place.account.id, (inFlight.get(place.account.id) ?? 0) + 1);
  // A member that was removed is shown until its jobs have ended.
  const shown = [...states].filter(
    ([, { account, limiter }]) => !account.member?.isRemoved || limiter.placesUsed() > 0,
  );
  return shown.map(([id, state]) => ({
    id,
    inFlight: inFlight.get(id) ?? 0,
    places: state.account.limits.inFlight,
    placesUsed: state.limiter.placesUsed(),
    blocked: state.blocked(),
    callbackReliability: tracker.account(state).reliability.current(),
    pollPriceMs: tracker.account(state).price(),
  }));
}

type Common = EngineParts & {
  readonly pool: AccountPool;
  readonly accountStates: AccountPool['states'];
  readonly activeTasks: ActiveTasks;
  readonly learning: Learning;
  readonly tracker: Tracker;
  readonly stopping: AbortSignal;
};

/** The driver with its stages, and what they share. */
function createDriving(common: Common, stopping: AbortController) {
  const cancellation = createCancellation(common);
  const lateResults = createLateResults(common);
  const poller = createPoller(common);
  const duplicates = createDuplicateGuard();
  const confirm = createConfirm(common);
  const search = createSubmissionSearch({ ...common, duplicates, confirm });
  const progress = shareProgress(common);
  const driver = createDriver({
    ...common,
    stopping,
    progress,
    stages: {
      accepted: createAdmit({ ...common, cancellation }),
      submitting: createSubmit({ ...common, duplicates, search, confirm }),
      running: createPoll({
        ...common,
        poller,
        cancellation,
        lateResults,
        lostJobs: createLostJobs(common),
      }),
      storing: createDownload(common),
    },
  });
  return { driver, poller, cancellation, lateResults, progress };
}

/** A 503 for a task that the only node is about to drive, because the answer to its acceptance was lost. */
const notDrivenYet = (): OnetakeError =>
  new OnetakeError('store_unavailable', 503, 'The gateway is taking this task up; try again shortly.', {
    retryAfterSeconds: 1,
  });

/** Transfers tasks to other nodes, so that they need not wait for this node's lease to expire. */
async function handOver({ cluster, log }: EngineParts, ownership: Ownership): Promise<void> {
  if (!cluster.shared) return;
  try {
    const tasks = await ownership.transferAll();
    if (tasks > 0)
      log.info({ event: 'ownership.handed_over', tasks }, 'handed tasks over to the other nodes');
  } catch (error) {
    log.warn(
      { event: 'ownership.handover_failed', err: error },
      'cannot hand tasks over to the other nodes; they will adopt them',
    );
  }
}

/** Whether the work ends within so many milliseconds. */
async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
