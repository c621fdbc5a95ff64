import { DatabaseError } from 'pg';
import { OnetakeError } from '../tasks/errors.ts';

/**
 * Classes of SQLSTATE that mean "not now" (PostgreSQL, Appendix A): connection, read-only server after a failover,
 * rolled back, out of resources, not in the right state, stopped by an operator, system error, internal error. All others
 * mean that the statement or its values are wrong, which no try again mends.
 */
const NOT_NOW = ['08', '25', '40', '53', '55', '57', '58', 'XX'];

/** The connection that met it may be used again: the server has answered, goes on, and can be written to. */
export const isAnswer = (error: unknown): boolean =>
  error instanceof DatabaseError && !['08', '25', '57', 'XX'].includes(classOf(error));

/** What the driver threw, as callers of a store see it: a defect of ours as it is, everything else as a 503. */
export function asStoreError(error: unknown): unknown {
  if (error instanceof OnetakeError) return error;
  if (error instanceof DatabaseError && !NOT_NOW.includes(classOf(error))) return error;
  const message =
    'The gateway cannot reach its database at the moment; it is not known to have done anything. Try again shortly.';
  return new OnetakeError('store_unavailable', 503, message, { retryAfterSeconds: 2 }, error);
}

export const isUnavailable = (error: unknown): boolean =>
  error instanceof OnetakeError && error.code === 'store_unavailable';

/** Words of `pg` and codes of Node where the other end has closed a connection. */
const CUT = /Connection terminated unexpectedly|not queryable|ECONNRESET|EPIPE/;

/** The connection was closed by the other end; another one may do. A server that does not answer is another matter. */
export function wasCut(error: unknown): boolean {
  const cause = isUnavailable(error) && error instanceof Error ? error.cause : undefined;
  if (cause instanceof DatabaseError) return ['08', '57'].includes(classOf(cause));
  return cause instanceof Error && CUT.test(`${Reflect.get(cause, 'code')} ${cause.message}`);
}

/** Whether one write of a batch may be at fault for the others: rows that do not fit, or two batches in each other's way. */
export const mayBeOneWrite = (error: unknown): boolean => {
  const cause = error instanceof OnetakeError ? error.cause : error;
  return cause instanceof DatabaseError && isAnswer(cause) && !['53', '58'].includes(classOf(cause));
};

/** The database cannot be used at a start: says where it was looked for, without the password. */
export function unusableDatabase(url: string, cause: unknown): OnetakeError {
  if (cause instanceof OnetakeError && cause.code !== 'store_unavailable') return cause;
  const why = cause instanceof OnetakeError ? cause.cause : cause;
  const message = `The database ${whereabouts(url)} cannot be used (${wordsOf(why)}); check ONETAKE_DATABASE_URL, and that PostgreSQL runs there.`;
  return new OnetakeError('database_unusable', 503, message, {}, why);
}

const classOf = ({ code = '' }: DatabaseError): string => code.slice(0, 2);

/** A refused connection may come as one error for each address tried, without words of its own. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(wordsOf))].join('; ');
  return error instanceof Error ? error.message : String(error);
}

function whereabouts(url: string): string {
  if (!URL.canParse(url)) return '';
  const { host, pathname } = new URL(url);
  return `${decodeURIComponent(pathname.slice(1))} at ${host}`;
}
