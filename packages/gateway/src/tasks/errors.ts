import type { Status } from './task.ts';

/** Details of an error that are sent to the caller. */
export interface ErrorDetails {
  /** The request field at fault. */
  readonly param?: string;
  /** Sent as the `Retry-After` header, whole seconds. */
  readonly retryAfterSeconds?: number;
  /** Sent as the headers `RateLimit` and `RateLimit-Policy`. */
  readonly rateLimit?: { readonly limit: string; readonly policy: string };
  /** The status of the task, if the error is about it. */
  readonly status?: Status;
  /** More members for the error object on the wire. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * The error type of the gateway. `api/errors.ts` maps it to the wire. `message` is public and says what to do; `cause` is only
 * logged.
 */
export class OnetakeError extends Error {
  readonly code: string;
  readonly status: number;
  readonly details: ErrorDetails;

  constructor(code: string, status: number, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'OnetakeError';
    this.code = code;
    this.status = status;
    this.details = details;
  }
}

/** A 400; `param` names the field that is wrong. */
export function invalidRequest(message: string, param?: string, code = 'invalid_request'): OnetakeError {
  return new OnetakeError(code, 400, message, param === undefined ? {} : { param });
}

/** Reports everything that is wrong with the settings, one sentence per problem. */
export function invalidSettings(problems: readonly string[]): OnetakeError {
  return new OnetakeError('invalid_settings', 400, `The settings are not valid:\n  ${problems.join('\n  ')}`);
}

/** A 404 for a task that does not exist or belongs to another project. Callers must not be able to tell the two apart. */
export function taskNotFound(): OnetakeError {
  return new OnetakeError(
    'not_found',
    404,
    'No task with this id exists in your project; check the id that the submit answered with.',
  );
}

/** A 503 while the gateway stops. It accepts nothing new; accepted tasks are safe. */
export function draining(): OnetakeError {
  const message = 'The gateway is shutting down; try again in a moment.';
  return new OnetakeError('draining', 503, message, { retryAfterSeconds: 2 });
}

/** A 503 while this node has no lease. A task that it accepted would wait until another node adopts it. */
export function notConnected(): OnetakeError {
  const message = 'The gateway is connecting to its database again; try again in a moment.';
  return new OnetakeError('not_connected', 503, message, { retryAfterSeconds: 1 });
}
