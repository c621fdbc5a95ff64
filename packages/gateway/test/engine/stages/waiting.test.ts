import { describe, expect, it } from 'vitest';
import { expiredWaiting, waitingFor } from '../../../src/engine/stages/waiting.ts';
import type { AccountState } from '../../../src/limits/account.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import type { Reason } from '../../../src/tasks/reasons.ts';

const account = (trouble?: { reason?: Reason; retryAt?: number }): AccountState =>
  ({
    trouble: () => trouble && { reason: undefined, retryAt: undefined, ...trouble },
  }) as Partial<AccountState> as AccountState;

describe('the reason for which a task waits', () => {
  it('is unknown if no account serves it', () => {
    expect(waitingFor([], true)).toBeUndefined();
  });

  it('is the wait for a place while one account works, if the task waits at this node', () => {
    const accounts = [account(), account({ reason: 'auth_failed' })];
    expect(waitingFor(accounts, true)).toMatchObject({
      for: 'account_limit',
      reason: expect.stringMatching(/turn comes/),
    });
    expect(waitingFor(accounts, false)).toBeUndefined();
  });

  it.each<[Reason | undefined, RegExp]>([
    ['auth_failed', /refuses the credentials/],
    ['quota_exhausted', /balance or quota/],
    ['rate_limited', /limiting requests/],
    ['upstream_unavailable', /did not accept tasks a moment ago/],
    [undefined, /did not accept tasks a moment ago/],
  ])('is the trouble of all accounts: %s', (reason, words) => {
    for (const queued of [true, false]) {
      const waiting = waitingFor([account(reason === undefined ? {} : { reason })], queued);
      expect(waiting).toStrictEqual({
        for: 'account_blocked',
        reason: expect.stringMatching(words),
        ...(reason === undefined ? {} : { trouble: reason }),
      });
    }
  });

  it('comes from the account that is tried next', () => {
    const accounts = [
      account({ reason: 'rate_limited', retryAt: 3000 }),
      account({ reason: 'auth_failed', retryAt: 1000 }),
      account({ reason: 'quota_exhausted', retryAt: 2000 }),
    ];
    expect(waitingFor(accounts, true)).toMatchObject({ retryAt: 1000, trouble: 'auth_failed' });
    const unknown = [account({ reason: 'auth_failed', retryAt: 1000 }), account({ reason: 'rate_limited' })];
    expect(waitingFor(unknown, true)).toMatchObject({ trouble: 'rate_limited' });
    expect(waitingFor(unknown, true)).not.toHaveProperty('retryAt');
  });
});

describe('a task that has waited until its deadline', () => {
  const blocked = (trouble?: Reason) =>
    expiredWaiting({ for: 'account_blocked', reason: 'words', ...(trouble ? { trouble } : {}) });

  it.each<Reason>(['auth_failed', 'quota_exhausted'])(
    'fails with the reason of its account: %s',
    (reason) => {
      expect(blocked(reason)).toMatchObject({ reason, message: new UpstreamError(reason).message });
    },
  );

  it.each<Reason | undefined>(['rate_limited', 'upstream_unavailable', undefined])(
    'otherwise fails as expired: %s',
    (reason) => {
      expect(blocked(reason)).toMatchObject({
        reason: 'expired',
        message: expect.stringMatching(/as many tasks as it allows/),
      });
      expect(expiredWaiting(undefined)).toMatchObject({ reason: 'expired' });
    },
  );
});
