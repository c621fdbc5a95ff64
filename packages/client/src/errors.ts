/** Every error of this client. What a caller's `signal` is aborted with is thrown as it is. */
export class OnetakeError extends Error {
  /** The task that the call was about: `client.wait(taskId)` goes on with it, in any process. */
  taskId?: string | undefined;
  /** What the submit was sent with. A submit with the same key and parameters answers with the same task. */
  idempotencyKey?: string | undefined;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** There was no answer, or not all of one. */
export class ConnectionError extends OnetakeError {
  /** False if it is certain that the server has received nothing, in no attempt. */
  received?: false | undefined;
}

/** What the body of an error answer says. A server with other bodies leaves out what it does not have. */
interface ErrorBody {
  readonly message?: string | undefined;
  readonly reason?: string | undefined;
  readonly param?: string | undefined;
  readonly request_id?: string | undefined;
}

/** The server refused the call. The subclasses tell the usual statuses apart, `reason` the rest. */
export class ApiError extends OnetakeError {
  /** The HTTP status. */
  readonly status: number;
  /** A word that says why, such as `model_not_found`. */
  readonly reason: string | undefined;
  /** The field at fault. */
  readonly param: string | undefined;
  /** To be named when the problem is reported to the operator. */
  readonly requestId: string | undefined;
  /** How long the server asks to wait before another attempt, milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The whole body, parsed if it is JSON. */
  readonly body: unknown;

  constructor(response: Response, text: string, now = Date.now()) {
    const body = parsed(text);
    const { message, reason, param, request_id: requestId } = errorIn(body);
    super(message ?? `The server answered with ${response.status} ${response.statusText}`.trimEnd());
    this.status = response.status;
    this.reason = reason;
    this.param = param;
    this.requestId = requestId ?? response.headers.get('x-request-id') ?? undefined;
    this.retryAfterMs = retryAfterMs(response.headers, now);
    this.body = body;
  }
}

/** 400, 413, 415, 422: the request is wrong; `param` names the field. */
export class InvalidRequestError extends ApiError {}
/** 401: the API key is missing or wrong. */
export class AuthenticationError extends ApiError {}
/** 402: the budget is spent. */
export class BudgetError extends ApiError {}
/** 403: the API key may not do this. */
export class PermissionError extends ApiError {}
/** 404: there is no such task or model. */
export class NotFoundError extends ApiError {}
/** 409: the task is in the wrong state, such as finished before it could be cancelled. */
export class ConflictError extends ApiError {}
/** 410: it existed and is gone: a deleted task, a video past its time, a retired model. */
export class GoneError extends ApiError {}
/** 429: too many requests. */
export class RateLimitError extends ApiError {}
/** 5xx: the trouble is the server's. */
export class ServerError extends ApiError {}

const BY_STATUS: Readonly<Record<number, typeof ApiError>> = {
  400: InvalidRequestError,
  401: AuthenticationError,
  402: BudgetError,
  403: PermissionError,
  404: NotFoundError,
  409: ConflictError,
  410: GoneError,
  413: InvalidRequestError,
  415: InvalidRequestError,
  422: InvalidRequestError,
  429: RateLimitError,
};

/** The error for an answer whose status is not a success, with its body read. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  const Kind = BY_STATUS[response.status] ?? (response.status >= 500 ? ServerError : ApiError);
  return new Kind(response, await response.text());
}

/** `wait` and `generate` took longer than their `timeout`. The task goes on. */
export class WaitTimeoutError extends OnetakeError {}

/** The bytes of a video are not what the server said they were. */
export class DownloadError extends OnetakeError {}

/** A webhook that is not to be trusted. */
export class WebhookError extends OnetakeError {}

/** What is known of the end of a task. */
interface FailedTask {
  readonly task_id: string;
  readonly error?: { readonly code: number; readonly message: string; readonly reason?: string | undefined };
}

/** The task ended without a video. */
export class TaskFailedError<Task extends FailedTask = FailedTask> extends OnetakeError {
  readonly task: Task;
  /** Follows HTTP: 400 refused upstream, 499 cancelled, 504 expired. */
  readonly code: number | undefined;
  /** A word that says why, such as `content_rejected`. */
  readonly reason: string | undefined;

  constructor(task: Task) {
    super(task.error?.message ?? 'The task failed.');
    this.task = task;
    this.taskId = task.task_id;
    this.code = task.error?.code;
    this.reason = task.error?.reason;
  }
}

const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Whether another attempt of a call that may be repeated can end otherwise. An error that names a field is about the request. */
export const isTransient = (error: unknown): error is ConnectionError | ApiError =>
  error instanceof ConnectionError ||
  (error instanceof ApiError && TRANSIENT.has(error.status) && error.param === undefined);

/** `Retry-After`, which is seconds or a date, in milliseconds from `now`. */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function errorIn(body: unknown): ErrorBody {
  const error = isRecord(body) && isRecord(body.error) ? body.error : {};
  const word = (name: string) => (typeof error[name] === 'string' ? error[name] : undefined);
  return {
    message: word('message'),
    reason: word('reason'),
    param: word('param'),
    request_id: word('request_id'),
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
