import type { OverLimit } from '../store/quota/contract.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { amountText, MICROS } from '../tasks/money.ts';
import { boundsOf, limitOf, type Quota } from '../tasks/quota.ts';
import type { Price } from '../tasks/task.ts';

/** When it is worth trying again while as many tasks are unfinished as may be. Seconds. */
const TRY_AGAIN_SECONDS = 10;

/** The refusal of a task that a limit has too little left for: a 402 for money, a 429 for unfinished tasks. */
export function overLimit(
  { counter, amount }: OverLimit,
  quota: Quota | undefined,
  price: Price,
): OnetakeError {
  const owner = counter.subject.startsWith('key:') ? 'key' : 'project';
  const whose = owner === 'key' ? 'this API key' : 'your project';
  const limit = limitOf(counter.period);
  const most = quota?.[owner][limit] ?? 0;
  if (limit === 'tasksInFlight') {
    const message = `${owner === 'key' ? 'This API key' : 'Your project'} may have ${most} unfinished tasks at a time, and has them; try again when one has finished.`;
    const name = `"${owner}-tasks"`;
    return new OnetakeError('too_many_tasks', 429, message, {
      retryAfterSeconds: TRY_AGAIN_SECONDS,
      rateLimit: {
        limit: `${name};r=0;t=${TRY_AGAIN_SECONDS}`,
        policy: `${name};q=${most};qu="concurrent-requests"`,
      },
      extra: { limit: most, of: owner },
    });
  }
  const left = Math.max(0, most - amount);
  const period = limit === 'dailyBudgetMicros' ? 'daily' : 'monthly';
  const resetsAt = boundsOf(counter.period).to;
  const { currency, holdMicros } = price;
  const message =
    `The ${period} budget of ${whose} is ${amountText(most, currency)}, of which ${amountText(left, currency)} are left; this video may cost ` +
    `${amountText(holdMicros, currency)}. The budget resets at ${new Date(resetsAt).toISOString().slice(0, 16)}Z.`;
  return new OnetakeError('budget_spent', 402, message, {
    extra: {
      budget: period,
      of: owner,
      limit: most / MICROS,
      left: left / MICROS,
      price: holdMicros / MICROS,
      currency,
      resets_at: Math.floor(resetsAt / 1000),
    },
  });
}

/** The refusal of a model whose price is in another currency than the budgets: amounts of different currencies are never added together. */
export function checkBudgetCurrency(price: Price, { project, key, currency }: Quota): void {
  if (price.holdMicros === 0 || price.currency === currency) return;
  const hasBudget = [project, key].some(
    ({ dailyBudgetMicros, monthlyBudgetMicros }) =>
      dailyBudgetMicros !== undefined || monthlyBudgetMicros !== undefined,
  );
  if (!hasBudget) return;
  throw new OnetakeError(
    'budget_currency',
    400,
    `The budgets of this gateway are in ${currency}, and this model is priced in ${price.currency}; use a model that is priced in ${currency}.`,
    { param: 'model' },
  );
}
