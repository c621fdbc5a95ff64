import { DatabaseError } from 'pg';
import { OnetakeError } from '../../tasks/errors.ts';
import { StoreRefused, StoreUnavailable } from '../errors.ts';
import { adviceOn, type Refusal } from './advice.ts';
import { classify } from './sqlstates.ts';
import { whereabouts } from './url.ts';

/** Where the server looks again at a plan that it keeps. Its words depend on its language, the place does not. */
const STALE_PLAN = 'RevalidateCachedQuery';

/** The connection that met it may be used again: the server has answered, goes on, and can be written to. */
export const isAnswer = (error: unknown): boolean =>
  error instanceof DatabaseError && !classify(codeOf(error)).drop;

/**
 * The server does not know the statement by its name any more, or as something else: a table was altered, or a pooler gave
 * us another session. It was not begun; on a new connection it is as good as new.
 */
export const isStalePlan = (error: unknown): boolean =>
  error instanceof DatabaseError &&
  ((error.code === '0A000' && error.routine === STALE_PLAN) || ['26000', '42P05'].includes(codeOf(error)));

/** What the driver threw, as callers of a store see it. What is not the database's (a defect of ours) stays as it is. */
export function asStoreError(error: unknown): unknown {
  if (error instanceof OnetakeError) return error;
  if (error instanceof DatabaseError && classify(codeOf(error)).verdict === 'refused')
    return new StoreRefused(error);
  return new StoreUnavailable(unavailableWords(error), 2, error);
}

/** What anybody may read of it: the class of trouble, never the names of hosts, users or tables. */
function unavailableWords(error: unknown): string {
  const code = error instanceof DatabaseError ? codeOf(error) : '';
  if (code === '42501') return `The database no longer lets the gateway do its work ${AND_THEN}`;
  if (code === '53100') return `The database has no space left ${AND_THEN}`;
  if (code === '25006') return `The database is read-only at the moment ${AND_THEN}`;
  return 'The gateway cannot reach its database at the moment; it is not known to have done anything. Try again shortly.';
}
const AND_THEN = '(the log names the cause); nothing was done. Try again shortly.';

export const isUnavailable = (error: unknown): boolean =>
  error instanceof OnetakeError && error.code === 'store_unavailable';

/** Words of `pg` and codes of Node where the other end has closed a connection. */
const CUT = /Connection terminated unexpectedly|not queryable|ECONNRESET|EPIPE/;

/** The connection was closed by the other end; another one may do. A server that does not answer is another matter. */
export function wasCut(error: unknown): boolean {
  const cause = isUnavailable(error) && error instanceof Error ? error.cause : undefined;
  if (cause instanceof DatabaseError) return ['08', '57'].includes(codeOf(cause).slice(0, 2));
  return cause instanceof Error && CUT.test(`${Reflect.get(cause, 'code')} ${cause.message}`);
}

/** Whether one write of a batch may be at fault for the others: rows that do not fit, or two batches in each other's way. */
export const mayBeOneWrite = (error: unknown): boolean => {
  const cause = error instanceof OnetakeError ? error.cause : error;
  return cause instanceof DatabaseError && classify(codeOf(cause)).verdict !== 'unavailable';
};

/** A value in a row, or of the statement, is not what the statement takes it for: a text that is not JSON, for one. */
export function isBadValue(error: unknown): boolean {
  const cause = error instanceof DatabaseError || !(error instanceof Error) ? error : error.cause;
  return cause instanceof DatabaseError && codeOf(cause).startsWith('22');
}

/** The database cannot be used at a start: says where it was looked for, without the password. */
export function unusableDatabase(url: string, cause: unknown): OnetakeError {
  if (cause instanceof OnetakeError && cause.code !== 'store_unavailable') return cause;
  const why = cause instanceof OnetakeError ? cause.cause : cause;
  const message = `The database ${whereabouts(url)} cannot be used: ${reasonOf(why)}.`;
  return new OnetakeError('database_unusable', 503, message, {}, why);
}

const codeOf = ({ code = '' }: DatabaseError): string => code;

/** A refused connection may come as one error for each address tried, without words of its own. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(wordsOf))].join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** What to do about an error of the driver, and its own words. */
export const reasonOf = (error: unknown): string => `${adviceOn(refusalIn(error))} (${wordsOf(error)})`;

function refusalIn(error: unknown): Refusal {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = first instanceof Error && 'code' in first ? first.code : undefined;
  return { code: typeof code === 'string' ? code : undefined, message: wordsOf(error) };
}
