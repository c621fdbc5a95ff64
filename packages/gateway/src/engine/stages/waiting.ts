import type { AccountState } from '../../limits/account.ts';
import { UpstreamError } from '../../providers/provider.ts';
import { REASONS, type Reason, type TaskError, taskError } from '../../tasks/reasons.ts';
import type { Task } from '../../tasks/task.ts';

/** Why a task has not been submitted yet, in words that any caller may read. */
export interface Waiting {
  readonly for: 'account_limit' | 'account_blocked';
  /** One sentence, without any of the upstream's own text. */
  readonly reason: string;
  /** Time of the next try, if known, in milliseconds UTC. */
  readonly retryAt?: number;
  /** Why the account was refused, if this node knows. */
  readonly trouble?: Reason;
}

const LIMIT =
  'The accounts that serve this model have as many tasks as the provider allows; this one is submitted when its turn comes.';
const BLOCKED = 'The provider did not accept tasks a moment ago; it is tried again.';
const BLOCKED_BY: Partial<Record<Reason, string>> = {
  auth_failed: 'The provider refuses the credentials of its account; the operator must check them.',
  quota_exhausted: 'The balance or quota of the account at the provider is used up.',
  rate_limited: 'The provider is limiting requests; the task waits its turn.',
};

/**
 * Why a task waits, judging by the accounts that could serve it. `queued`: it is queued on this node, so it may be waiting for a free
 * place. For a task of another node, only a problem that affects all accounts is known.
 */
export function waitingFor(accounts: readonly AccountState[], queued: boolean): Waiting | undefined {
  if (accounts.length === 0) return undefined;
  const troubles = accounts.flatMap((account) => account.trouble() ?? []);
  if (troubles.length < accounts.length) return queued ? { for: 'account_limit', reason: LIMIT } : undefined;
  const [first] = troubles.sort((a, b) => (a.retryAt ?? 0) - (b.retryAt ?? 0));
  return {
    for: 'account_blocked',
    reason: (first?.reason && BLOCKED_BY[first.reason]) ?? BLOCKED,
    ...(first?.retryAt === undefined ? {} : { retryAt: first.retryAt }),
    ...(first?.reason === undefined ? {} : { trouble: first.reason }),
  };
}

/** The error of a task that waited until its deadline: that of the account, if an account problem was the reason. */
export function expiredWaiting(waiting: Waiting | undefined): TaskError {
  const { trouble } = waiting ?? {};
  if (trouble && REASONS[trouble].retry === 'elsewhere')
    return taskError(trouble, new UpstreamError(trouble).message);
  return taskError(
    'expired',
    'The provider had as many tasks as it allows until this task expired; submit it again later.',
  );
}

/** The error of a task whose model ended while it waited. */
export const retired = ({ request: { model } }: Pick<Task, 'request'>): TaskError =>
  taskError(
    'model_retired',
    `The provider no longer serves ${model}, which ended before this task could be submitted; use another model (GET /v1/models).`,
  );
