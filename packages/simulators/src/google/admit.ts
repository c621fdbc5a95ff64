import type { Account } from '../core/accounts.ts';
import { Refusal } from '../core/http/answer.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import { quotaAnswer } from './errors.ts';
import type { Service } from './models.ts';
import type { VeoContext } from './veoJob.ts';

/** Takes one of the account's submissions of this minute for a model. Refuses with a 429 that says when to retry. */
export function takeTurn(
  context: VeoContext,
  account: Account,
  limit: {
    readonly service: Service;
    readonly name: string;
    readonly perMinute: number;
    readonly message: string;
    readonly quotaId: string;
  },
): void {
  const wait = context.shared.limiter.take(`${context.name} ${account.name} ${limit.name}`, {
    requests: limit.perMinute,
    perMs: 60_000,
  });
  if (wait > 0)
    throw new Refusal(quotaAnswer(limit.service, limit.message, limit.quotaId, retryAfterSeconds(wait)));
}
