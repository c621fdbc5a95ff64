import type { ModelParameters } from './models.ts';
import type { Schemas } from './schema.ts';

type Body = Schemas['SubmitBody'];
type KnownModel = keyof ModelParameters;
/** The fields whose values depend on the model. */
type Parameter = { [Id in KnownModel]: keyof ModelParameters[Id] }[KnownModel];

type ParamsOf<Id> = Id extends KnownModel
  ? Omit<Body, Parameter> & {
      readonly [Name in keyof ModelParameters[Id]]?: ModelParameters[Id][Name] | null;
    }
  : Body;

/**
 * What a video is made of. `GET /v1/models` says what each model accepts. For the id of a model that comes with the gateway these are the types
 * of its parameters; for any other, and for an id that is only known as a `string`, they are those of all models.
 */
export type SubmitParams<Id extends string = string> = { readonly model: Id } & ParamsOf<Id>;

/** The answer of a submit. */
export type Submitted = Schemas['Submitted'];

/** The answer of a quote: the most that a video can cost, and what limits have left. */
export type Quote = Schemas['Quote'];

/**
 * A task as the gateway tells it. A server that speaks only submit, query and download of this API leaves out everything but `task_id`,
 * `status`, `format`, `url` and `error`.
 */
export type Task = Schemas['Task'];

/** A task on its way. What its submit has not told yet is missing. */
export type Progress = Pick<Task, 'task_id' | 'status'> & Partial<Task>;

export type Model = Schemas['Model'];

/** Which tasks to list. */
export type ListParams = Omit<Schemas['ListQuery'], 'after'> & {
  /** Only tasks that were submitted with all of these pairs. */
  readonly metadata?: Readonly<Record<string, string>>;
};

export type Project = Schemas['Project'];
export type NewProject = Schemas['NewProject'];
export type ProjectChanges = Schemas['ProjectChanges'];

/** An API key, without the key itself. */
export type Key = Schemas['Key'];
export type CreatedKey = Schemas['CreatedKey'];
export type RotatedKey = Schemas['RotatedKey'];
export type NewKey = Schemas['NewKey'];
export type KeyChanges = Schemas['KeyChanges'];

export type AuditEntry = Schemas['AuditPage']['data'][number];
/** Which entries of the audit log to read. */
export type AuditParams = Omit<Schemas['AuditQuery'], 'after'>;

/** Options of every call. */
export interface CallOptions {
  /** Ends the call when it is aborted; what the server has accepted stays accepted. */
  readonly signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends CallOptions {
  /** Up to 255 visible ASCII characters. A random one by default. A submit with the same key and parameters answers with the same task. */
  readonly idempotencyKey?: string | undefined;
}

export interface WaitOptions extends CallOptions {
  /** Called with the task as it is first, and after each change. */
  readonly onProgress?: ((task: Progress) => void) | undefined;
  /** How long to wait at most, milliseconds. Without it, until the task has ended. */
  readonly timeout?: number | undefined;
}

export type GenerateOptions = SubmitOptions & WaitOptions;
