import { type Admin, createAdmin } from './admin.ts';
import { type Download, type DownloadOptions, download } from './download.ts';
import { ConnectionError, OnetakeError } from './errors.ts';
import { type EventOptions, watchEvents } from './events.ts';
import { type Call, createHttp, type HttpOptions, isHeaderWord } from './http.ts';
import { SYSTEM_TIMING } from './timing.ts';
import type {
  CallOptions,
  GenerateOptions,
  ListParams,
  Model,
  Quote,
  SubmitOptions,
  SubmitParams,
  Submitted,
  Task,
  WaitOptions,
} from './types.ts';
import { type Server, taskPath, waitForTask, withTimeout } from './wait.ts';
import type { TaskEvent } from './webhook.ts';

const TASKS = '/v1/video/generations';
/** The gateway fetches the inputs of a task for up to two minutes before it answers. Given up earlier, a repeat would begin anew. Milliseconds. */
const SUBMIT_TIMEOUT_MS = 180_000;

/** A client of a gateway. It keeps no connection and no state of a task, so any number of calls can run at once. */
export class Onetake {
  readonly #server: Server;
  /** Projects, keys and the audit log, for a key with the scope `admin`. */
  readonly admin: Admin;

  constructor(options: HttpOptions) {
    this.#server = { http: createHttp(options, SYSTEM_TIMING), abilities: { events: true, hold: true } };
    this.admin = createAdmin(this.#server.http);
  }

  /**
   * Makes a video: submits, and waits until the task has succeeded. Throws a `TaskFailedError` if it failed. However often requests must be
   * repeated, there is one task. After any other error, `wait(error.taskId)` goes on with it.
   */
  generate<Id extends string>(params: SubmitParams<Id>, options: GenerateOptions = {}): Promise<Task> {
    return withTimeout(options, async (signal) => {
      const submitted = await this.submit(params, { ...options, signal });
      options.onProgress?.(submitted);
      return waitForTask(this.#server, submitted.task_id, { ...options, signal }, submitted);
    });
  }

  /** Submits a task and answers with its id, once it is stored durably. */
  async submit<Id extends string>(
    params: SubmitParams<Id>,
    { signal, idempotencyKey = newKey() }: SubmitOptions = {},
  ): Promise<Submitted> {
    if (!isHeaderWord(idempotencyKey))
      throw new TypeError('idempotencyKey must be visible ASCII characters.');
    try {
      const { body } = await this.#server.http.json<Submitted>({
        method: 'POST',
        path: TASKS,
        body: params,
        headers: { 'idempotency-key': idempotencyKey },
        signal,
        timeoutMs: SUBMIT_TIMEOUT_MS,
        // Because of the key.
        repeatable: true,
      });
      if (typeof body?.task_id !== 'string')
        throw new OnetakeError('The answer has no task_id; check baseUrl.');
      return body;
    } catch (error) {
      if (error instanceof OnetakeError) error.idempotencyKey = idempotencyKey;
      throw error;
    }
  }

  /** What a submit of these parameters would cost at most, and whether the limits of the key and its project allow it now. Makes no task. */
  async quote<Id extends string>(params: SubmitParams<Id>, { signal }: CallOptions = {}): Promise<Quote> {
    const path = `${TASKS}/quote`;
    // It stores nothing.
    const call = { method: 'POST', path, body: params, repeatable: true, signal } as const;
    const { body } = await this.#server.http.json<Quote>(call);
    if (typeof body?.allowed !== 'boolean') throw new OnetakeError('The answer is no quote; check baseUrl.');
    return body;
  }

  /** Waits until a task has succeeded, in whatever process it was submitted. Throws a `TaskFailedError` if it failed. */
  wait(taskId: string, options: WaitOptions = {}): Promise<Task> {
    return withTimeout(options, (signal) => waitForTask(this.#server, taskId, { ...options, signal }));
  }

  /** A task as it is now, be it failed. */
  async get(taskId: string, { signal }: CallOptions = {}): Promise<Task> {
    return this.#ofTask(taskId, { path: taskPath(taskId), repeatable: true, signal });
  }

  /** The tasks of the project, newest first. Pages are fetched as they are needed. */
  async *list(
    { metadata = {}, ...params }: ListParams = {},
    { signal }: CallOptions = {},
  ): AsyncGenerator<Task, void, undefined> {
    const filters = Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [`metadata[${name}]`, value]),
    );
    for (let after: string | undefined; ; ) {
      const { body } = await this.#server.http.json<Page>({
        path: TASKS,
        query: { ...params, ...filters, after },
        repeatable: true,
        signal,
      });
      yield* listIn(body, 'tasks');
      if (!body.has_more || body.next_cursor === undefined) return;
      after = body.next_cursor;
    }
  }

  /**
   * The events of all tasks of the project from now on, as webhooks announce them. It goes on after broken connections and restarts of the
   * gateway without missing one, until `signal` ends it.
   */
  events(options: EventOptions = {}): AsyncGenerator<TaskEvent, never, undefined> {
    return watchEvents(this.#server.http, options);
  }

  /** The secret that signs what is sent to the `webhook_url` of tasks, for `verifyWebhook`. */
  async webhookSecret({ signal }: CallOptions = {}): Promise<string> {
    const path = '/v1/webhook_secret';
    const { body } = await this.#server.http.json<{ secret: string }>({ path, repeatable: true, signal });
    return body.secret;
  }

  /** Cancels a task. One that its provider is still to stop is answered with `cancel_requested`; `wait` tells how it ends. */
  async cancel(taskId: string, { signal }: CallOptions = {}): Promise<Task> {
    return this.#ofTask(taskId, { method: 'POST', path: `${taskPath(taskId)}/cancel`, signal });
  }

  /** Erases a finished task with its prompt, its inputs and its video. */
  async delete(taskId: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#ofTask(taskId, { method: 'DELETE', path: taskPath(taskId), signal });
  }

  /** The video of a finished task, or its poster frame. `downloadToFile` of `@onetake/client/node` saves it. */
  download(taskId: string, options: DownloadOptions = {}): Promise<Download> {
    return download(this.#server.http, taskId, options);
  }

  /** The models, what each accepts and costs, and whether it can be used here. */
  async models({ signal }: CallOptions = {}): Promise<readonly Model[]> {
    const path = '/v1/models';
    const { body } = await this.#server.http.json<{ data: readonly Model[] }>({
      path,
      repeatable: true,
      signal,
    });
    return listIn(body, 'models');
  }

  async #ofTask<T>(taskId: string, call: Call): Promise<T> {
    try {
      return (await this.#server.http.json<T>(call)).body;
    } catch (error) {
      if (error instanceof OnetakeError) error.taskId = taskId;
      throw error;
    }
  }
}

interface Page {
  readonly data: readonly Task[];
  readonly has_more: boolean;
  readonly next_cursor?: string;
}

/** The entries of a list. Other JSON is that of a proxy, or of a server with another API. */
function listIn<T>(body: { readonly data: readonly T[] } | null, of: string): readonly T[] {
  const data: unknown = body?.data;
  if (Array.isArray(data)) return data;
  throw new ConnectionError(`The answer is no list of ${of}; check baseUrl.`);
}

/** `randomUUID` is missing in pages that came by plain http. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );
