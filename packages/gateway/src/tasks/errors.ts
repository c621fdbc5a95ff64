import type { Status } from './task.ts';

/** Extra facts an error carries to the wire; everything here is safe for the caller to read. */
export interface ErrorDetails {
  /** The request field at fault. */
  readonly param?: string;
  /** Sent as the `Retry-After` header, whole seconds. */
  readonly retryAfterSeconds?: number;
  /** The state of the task, where the error is about its state. */
  readonly status?: Status;
  /** More members for the error object on the wire. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * The one error of the domain: thrown anywhere below `api/`, mapped to the wire in one place there.
 * `message` is public and says what to do; `cause` is for the operator's log alone.
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

/** 400: the request itself is wrong; `param` names the field. */
export function invalidRequest(message: string, param?: string, code = 'invalid_request'): OnetakeError {
  return new OnetakeError(code, 400, message, param === undefined ? {} : { param });
}

/** For the start of a gateway: everything wrong with its settings, a sentence each. */
export function invalidSettings(problems: readonly string[]): OnetakeError {
  return new OnetakeError('invalid_settings', 400, `The settings are not valid:\n  ${problems.join('\n  ')}`);
}

/** 404 for a task that does not exist or belongs to another project: the two must look the same. */
export function taskNotFound(): OnetakeError {
  return new OnetakeError(
    'not_found',
    404,
    'No task with this id exists in your project; check the id that the submit answered with.',
  );
}

/** 503 while the gateway stops: whatever was accepted is safe, nothing new is taken. */
export function draining(): OnetakeError {
  const message = 'The gateway is shutting down; try again in a moment.';
  return new OnetakeError('draining', 503, message, { retryAfterSeconds: 2 });
}

/** 503 while this node has no session with the others: a task that it accepted would wait for another driver. */
export function notConnected(): OnetakeError {
  const message = 'The gateway is connecting to its database again; try again in a moment.';
  return new OnetakeError('not_connected', 503, message, { retryAfterSeconds: 1 });
}
