import type { Allowance } from '../../auth/allowance.ts';
import type { Limits } from '../../store/projects.ts';
import { MICROS } from '../../tasks/money.ts';
import { usageError } from '../usage.ts';

/** Takes a limit, a restriction or the metadata away. */
export const NONE = 'none';

export interface AllowanceOptions {
  readonly requestsPerMinute?: string | undefined;
  readonly tasksInFlight?: string | undefined;
  readonly dailyBudget?: string | undefined;
  readonly monthlyBudget?: string | undefined;
  readonly metadata?: string | undefined;
}

/** What the options of a command say of limits and metadata. Throws a usage error, before anything is opened. */
export function allowanceOf({ metadata, ...options }: AllowanceOptions) {
  const given = {
    requestsPerMinute: amountOf('--requests-per-minute', options.requestsPerMinute, 1),
    tasksInFlight: amountOf('--tasks-in-flight', options.tasksInFlight, 1),
    dailyBudgetMicros: amountOf('--daily-budget', options.dailyBudget, MICROS),
    monthlyBudgetMicros: amountOf('--monthly-budget', options.monthlyBudget, MICROS),
  };
  const changes = Object.entries(given).filter(([, amount]) => amount !== undefined);
  const pairs = metadata === undefined ? undefined : pairsOf(metadata);
  return {
    isEmpty: changes.length === 0 && pairs === undefined,
    /** The settings to give, of which limits are those that there were, but for what the options say. */
    settings({ limits }: { readonly limits?: Limits }): Allowance {
      const all: Record<string, number | null | undefined> = { ...limits, ...Object.fromEntries(changes) };
      const set = Object.entries(all).filter(([, amount]) => typeof amount === 'number');
      return {
        ...(changes.length === 0 ? {} : { limits: Object.fromEntries(set) }),
        ...(pairs === undefined ? {} : { defaultMetadata: pairs }),
      };
    },
  };
}

function amountOf(option: string, text: string | undefined, unit: number): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === NONE) return null;
  const amount = Math.round(Number(text) * unit);
  const isRight = unit === 1 ? /^[1-9]\d*$/.test(text) : /^\d+(\.\d{1,6})?$/.test(text);
  if (!isRight || !Number.isSafeInteger(amount))
    throw usageError(
      `${option} must be ${unit === 1 ? 'a whole number' : 'an amount such as 12.50'}, or none.`,
    );
  return amount;
}

function pairsOf(text: string): Readonly<Record<string, string>> | null {
  if (text === NONE) return null;
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1)
        throw usageError('--metadata takes pairs with commas, such as team=video,stage=test, or none.');
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}

/** Limits in words, such as `60 requests a minute, 10 a day`; a dash if there are none. */
export function limitsText({ limits = {} }: { readonly limits?: Limits }): string {
  const { requestsPerMinute, tasksInFlight, dailyBudgetMicros, monthlyBudgetMicros } = limits;
  const words = [
    ...(requestsPerMinute === undefined ? [] : [`${requestsPerMinute} requests a minute`]),
    ...(tasksInFlight === undefined ? [] : [`${tasksInFlight} tasks in flight`]),
    ...(dailyBudgetMicros === undefined ? [] : [`${dailyBudgetMicros / MICROS} a day`]),
    ...(monthlyBudgetMicros === undefined ? [] : [`${monthlyBudgetMicros / MICROS} a month`]),
  ];
  return words.length === 0 ? '-' : words.join(', ');
}
