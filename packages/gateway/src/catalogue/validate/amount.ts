import { invalidRequest } from '../../tasks/errors.ts';
import { amountText, MICROS } from '../../tasks/money.ts';
import type { Price } from '../../tasks/task.ts';
import type { Given } from '../fields.ts';
import { shown } from '../words.ts';

/** Digits with at most six behind the point, which micro-units can express. */
const DECIMAL = /^\d{1,9}(?:\.\d{1,6})?$/;

/** An amount of money as a number or a decimal string, in micro-units. */
export function checkAmount({ name, value }: Given): number {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !DECIMAL.test(text)) {
    throw invalidRequest(
      `${name} must be an amount in the currency of the model, such as 1.25, with at most six decimals; got ${shown(value)}.`,
      name,
    );
  }
  return Math.round(Number(text) * MICROS);
}

/** Throws a 400 that says the price if a task may cost more than its caller allows. */
export function checkMaxCost({ holdMicros, currency }: Price, maxCostMicros: number | undefined): void {
  if (maxCostMicros === undefined || holdMicros <= maxCostMicros) return;
  throw invalidRequest(
    `This video may cost ${amountText(holdMicros, currency)}, and max_cost allows ${amountText(maxCostMicros, currency)}; raise it, or ask for less.`,
    'max_cost',
    'price_above_max_cost',
  );
}
