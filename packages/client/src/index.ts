/** The public exports of this package. */

export type { Admin } from './admin.ts';
export { Onetake } from './client.ts';
export type { Download, DownloadOptions } from './download.ts';
export {
  ApiError,
  AuthenticationError,
  BudgetError,
  ConflictError,
  ConnectionError,
  DownloadError,
  GoneError,
  InvalidRequestError,
  NotFoundError,
  OnetakeError,
  PermissionError,
  RateLimitError,
  ServerError,
  TaskFailedError,
  WaitTimeoutError,
  WebhookError,
} from './errors.ts';
export type { EventOptions } from './events.ts';
export type { HttpOptions as OnetakeOptions } from './http.ts';
export type {
  AuditEntry,
  AuditParams,
  CallOptions,
  CreatedKey,
  GenerateOptions,
  Key,
  KeyChanges,
  ListParams,
  Model,
  NewKey,
  NewProject,
  Progress,
  Project,
  ProjectChanges,
  Quote,
  RotatedKey,
  SubmitOptions,
  SubmitParams,
  Submitted,
  Task,
  WaitOptions,
} from './types.ts';
export {
  type EndpointTestEvent,
  type OpenAIEvent,
  type TaskEvent,
  type VerifyOptions,
  verifyWebhook,
  type WebhookEvent,
} from './webhook.ts';
