import { DatabaseError } from 'pg';
import { OnetakeError } from '../../tasks/errors.ts';
import { StoreRefused, StoreUnavailable } from '../errors.ts';
import { adviceOn, type Refusal } from './advice.ts';
import { classify } from './sqlstates.ts';
import { whereabouts } from './url.ts';

/**
 * The server's routine that revalidates a cached plan. The message of its error depends on the server's language, the name of the
 * routine does not.
 */
const STALE_PLAN = 'RevalidateCachedQuery';

/** Whether the connection can be used again: the server has answered, keeps running and accepts writes. */
export const isAnswer = (error: unknown): boolean =>
  error instanceof DatabaseError && !classify(codeOf(error)).drop;

/**
 * Whether the server does not know the named statement any more, or knows it differently: a table was altered, or a pooler has moved
 * us to another session. The statement has not run and can be repeated on a new connection.
 */
export const isStalePlan = (error: unknown): boolean =>
  error instanceof DatabaseError &&
  ((error.code === '0A000' && error.routine === STALE_PLAN) || ['26000', '42P05'].includes(codeOf(error)));

/** Whether the server has rolled a transaction back because of another one, as in a deadlock. Repeated, it may succeed. */
export const isConflict = (error: unknown): boolean =>
  error instanceof DatabaseError && classify(codeOf(error)).verdict === 'conflict';

/** Converts an error of the driver into one that callers of a store see. */
export function asStoreError(error: unknown): unknown {
  if (error instanceof OnetakeError) return error;
  if (error instanceof DatabaseError && classify(codeOf(error)).verdict === 'refused')
    return new StoreRefused(error);
  return new StoreUnavailable(unavailableWords(error), 2, error);
}

/** A message for API clients: the kind of problem, without names of hosts, users or tables. */
function unavailableWords(error: unknown): string {
  const code = error instanceof DatabaseError ? codeOf(error) : '';
  if (code === '42501') return `The database no longer lets the gateway do its work ${AND_THEN}`;
  if (code === '53100') return `The database has no space left ${AND_THEN}`;
  if (code === '25006') return `The database is read-only at the moment ${AND_THEN}`;
  return 'The gateway cannot reach its database at the moment; it is not known whether anything was done. Try again shortly.';
}
const AND_THEN = '(the log names the cause); nothing was done. Try again shortly.';

export const isUnavailable = (error: unknown): boolean =>
  error instanceof OnetakeError && error.code === 'store_unavailable';

/** Messages of `pg` and codes of Node for a connection that the other end has closed. */
const CUT = /Connection terminated unexpectedly|not queryable|ECONNRESET|EPIPE/;

/** Whether the other end has closed the connection, so that another one may work. A server that does not answer does not count. */
export function wasCut(error: unknown): boolean {
  const cause = isUnavailable(error) && error instanceof Error ? error.cause : undefined;
  if (cause instanceof DatabaseError) return ['08', '57'].includes(codeOf(cause).slice(0, 2));
  return cause instanceof Error && CUT.test(`${Reflect.get(cause, 'code')} ${cause.message}`);
}

/** Whether one write of a batch may have caused the error: its values are invalid, or two batches were in conflict. */
export const mayBeOneWrite = (error: unknown): boolean => {
  const cause = error instanceof OnetakeError ? error.cause : error;
  return cause instanceof DatabaseError && classify(codeOf(cause)).verdict !== 'unavailable';
};

/** The error for a database that cannot be used at startup. Names its address, without the password. */
export function unusableDatabase(url: string, cause: unknown): OnetakeError {
  if (cause instanceof OnetakeError && cause.code !== 'store_unavailable') return cause;
  const why = cause instanceof OnetakeError ? cause.cause : cause;
  const message = `The database ${whereabouts(url)} cannot be used: ${reasonOf(why)}.`;
  return new OnetakeError('database_unusable', 503, message, {}, why);
}

const codeOf = ({ code = '' }: DatabaseError): string => code;

/** A refused connection may come as one error for each address that was tried, without a message of its own. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(wordsOf))].join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** What to do about an error of the driver, and its message. */
export const reasonOf = (error: unknown): string => `${adviceOn(refusalIn(error))} (${wordsOf(error)})`;

function refusalIn(error: unknown): Refusal {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = first instanceof Error && 'code' in first ? first.code : undefined;
  return { code: typeof code === 'string' ? code : undefined, message: wordsOf(error) };
}
