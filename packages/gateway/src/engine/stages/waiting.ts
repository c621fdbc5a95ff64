import type { AccountState } from '../../limits/account.ts';
import { UpstreamError } from '../../providers/provider.ts';
import { REASONS, type Reason, type TaskError, taskError } from '../../tasks/reasons.ts';

/** Why a task has not been submitted yet, in words that any caller may read. */
export interface Waiting {
  readonly for: 'account_limit' | 'account_blocked';
  /** One sentence; nothing of the upstream's own words. */
  readonly reason: string;
  /** Milliseconds UTC of the next try, where there is one. */
  readonly retryAt?: number;
  /** What the account was refused for, as far as this node was told. */
  readonly trouble?: Reason;
}

const LIMIT =
  'The accounts that serve this model have as many tasks as the provider allows; this one goes when its turn comes.';
const BLOCKED = 'The provider did not take tasks a moment ago; it is tried again.';
const BLOCKED_BY: Partial<Record<Reason, string>> = {
  auth_failed: 'The provider refuses the credentials of its account; the operator must check them.',
  quota_exhausted: 'The balance or quota of the account at the provider is used up.',
  rate_limited: 'The provider is limiting requests; the task waits its turn.',
};

/**
 * What holds a task up, told by the accounts that could take it. `queued`: it waits at this node, so that a lack of places here is
 * what it waits for; of another node's task only a trouble of all accounts is known.
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

/** How a task ends that waited until its deadline: with the account's trouble, where that is what it waited for. */
export function expiredWaiting(waiting: Waiting | undefined): TaskError {
  const { trouble } = waiting ?? {};
  if (trouble && REASONS[trouble].retry === 'elsewhere')
    return taskError(trouble, new UpstreamError(trouble).message);
  return taskError(
    'expired',
    'No place at the upstream provider fell free before the task expired; submit it again later.',
  );
}
