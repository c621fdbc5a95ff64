import type { Ownership } from '../cluster/ownership.ts';
import { refusedOptionsText } from '../providers/mapping/body.ts';
import type { IdempotencyRecord, MediaRow } from '../store/store.ts';
import { draining, invalidRequest, notConnected, OnetakeError } from '../tasks/errors.ts';
import { newTaskId } from '../tasks/ids.ts';
import type { Quota } from '../tasks/quota.ts';
import type { VideoRequest } from '../tasks/request.ts';
import type { Price, Task } from '../tasks/task.ts';
import type { Driver } from './drive.ts';
import { checkBudgetCurrency, overLimit } from './overLimit.ts';
import type { EngineParts } from './parts.ts';

/** A checked request, ready to become a task. */
export interface NewTask {
  readonly projectId: string;
  readonly keyId: string;
  readonly request: VideoRequest;
  readonly price: Price;
  /** Inputs that are already stored. */
  readonly media: readonly MediaRow[];
  readonly idempotency?: IdempotencyRecord;
  /** The limits of its project and key. Missing where there are none. */
  readonly quota?: Quota;
}

/** The entrance of tasks. */
export interface Acceptance {
  /**
   * Accepts a task. Once this resolves, the task survives `kill -9` and power loss. Throws a 400 if some of its `provider_options` would not
   * reach the upstream.
   */
  submit(task: NewTask): Promise<{ task: Task; replayed: boolean }>;
  /**
   * The task that was accepted earlier under this idempotency key. To be checked before anything that may change or fail between
   * two tries of a client. Throws a 422 if the key was used with another body.
   */
  acceptedUnder(
    projectId: string,
    idempotency: Pick<IdempotencyRecord, 'key' | 'bodyHash'>,
  ): Promise<Task | undefined>;
}

type OptionParts = Pick<EngineParts, 'accounts' | 'servedBy' | 'upstreamModel' | 'upstreamRequest'>;

type AcceptanceParts = Pick<EngineParts, 'store' | 'cluster' | 'feed' | 'clock' | 'settings'> & {
  readonly ownership: Pick<Ownership, 'during'>;
  readonly driver: Pick<Driver, 'start'>;
  readonly stopping: AbortSignal;
} & OptionParts;

export function createAcceptance(parts: AcceptanceParts): Acceptance {
  const { store, cluster, feed, clock, settings, ownership, driver, stopping } = parts;

  /** Stores the task and starts to drive it. */
  async function accept(task: Task, { price, media, idempotency, quota }: NewTask) {
    const outcome = await store.accept({
      task,
      ledger: [{ kind: 'hold', amountMicros: price.holdMicros }],
      media: media.map((row) => ({ ...row, taskId: task.id, state: 'present' as const })),
      ...(idempotency ? { idempotency } : {}),
      ...(quota ? { quota } : {}),
    });
    if (outcome.outcome === 'accepted') {
      feed.publish({ task, transition: true });
      // If this node is draining or has lost its lease, the stored task waits for another driver.
      if (!stopping.aborted && cluster.hasLease() && cluster.node === task.owner) driver.start(task);
    }
    return outcome;
  }

  return {
    async submit(given) {
      if (stopping.aborted) throw draining();
      // Without a lease, nobody would drive the task until other nodes adopt it.
      if (!cluster.hasLease()) throw notConnected();
      const now = clock.now();
      const task: Task = {
        id: newTaskId(),
        projectId: given.projectId,
        keyId: given.keyId,
        request: given.request,
        phase: 'accepted',
        version: 1,
        owner: cluster.node,
        createdAt: now,
        deadlineAt: now + settings.taskDeadlineMs,
        price: given.price,
      };
      if (given.quota) checkBudgetCurrency(given.price, given.quota);
      await refuseOptions(task, parts);
      const accepted = await ownership.during(task.id, () => accept(task, given));
      switch (accepted.outcome) {
        case 'conflict':
          throw idempotencyConflict();
        case 'replayed':
          return { task: accepted.task, replayed: true };
        case 'over_limit':
          throw overLimit(accepted, given.quota, given.price);
        case 'accepted':
          return { task, replayed: false };
      }
    },
    async acceptedUnder(projectId, { key, bodyHash }) {
      const accepted = await store.acceptedUnder(projectId, key, clock.now());
      if (accepted && accepted.bodyHash !== bodyHash) throw idempotencyConflict();
      return accepted?.task;
    },
  };
}

const idempotencyConflict = (): OnetakeError =>
  new OnetakeError(
    'idempotency_conflict',
    422,
    'This Idempotency-Key was used with another body; use a new key for a new request.',
  );

/**
 * Throws a 400 that names the `provider_options` of a task which an account that may serve it would not pass on. They would be lost, or
 * replace what was checked and priced, and the task would be paid all the same.
 */
async function refuseOptions(task: Task, parts: OptionParts): Promise<void> {
  if (!task.request.providerOptions) return;
  const request = parts.upstreamRequest(task);
  if (!request) return;
  for (const account of parts.accounts) {
    if (!parts.servedBy(account, task)) continue;
    const refused = await account.provider.refusedOptions(request, parts.upstreamModel(account, task));
    const [first] = refused;
    if (first !== undefined) {
      throw invalidRequest(refusedOptionsText(refused), `provider_options.${account.providerId}.${first}`);
    }
  }
}
