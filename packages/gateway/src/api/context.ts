import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { Keyring } from '../auth/keyring.ts';
import type { Keys } from '../auth/keys.ts';
import type { Projects } from '../auth/projects.ts';
import type { RequestRates } from '../auth/requestRates.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Engine } from '../engine/engine.ts';
import type { EventTail } from '../engine/events/eventTail.ts';
import type { Feed } from '../engine/events/feed.ts';
import type { InputReader } from '../media/inputs/reader.ts';
import type { Uploads } from '../media/inputs/uploads.ts';
import type { SpriteSheets } from '../media/inspect/spriteSheets.ts';
import type { MediaLinks } from '../media/links/links.ts';
import type { Sendfile } from '../media/sendfile.ts';
import type { VerifiedMedia } from '../media/verified.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Refusal } from '../observability/requestLog.ts';
import type { Account } from '../providers/account.ts';
import type { KeyWithProject } from '../store/projects.ts';
import type { LoggedEvent, MediaRow, Store } from '../store/store.ts';
import { taskNotFound } from '../tasks/errors.ts';
import { isTaskId } from '../tasks/ids.ts';
import type { Task } from '../tasks/task.ts';
import type { Clock } from '../time/clock.ts';
import type { Webhooks } from '../webhooks/webhooks.ts';
import type { Draining } from './draining.ts';
import { gone } from './http/bytes.ts';
import type { Readiness } from './readiness.ts';
import type { EventStreams } from './streams.ts';
import type { EventFrame } from './views/event.ts';
import type { Snapshots } from './views/snapshots.ts';

/** The dependencies of the routes. */
export interface ApiContext {
  readonly engine: Engine;
  readonly feed: Feed;
  readonly store: Store;
  readonly cluster: Cluster;
  /** All media is served through this, so that damaged files are found. */
  readonly media: VerifiedMedia<MediaRow>;
  readonly catalogue: Catalogue;
  readonly accounts: readonly Account[];
  readonly inputs: InputReader;
  readonly uploads: Uploads;
  readonly spriteSheets: SpriteSheets;
  readonly links: MediaLinks;
  readonly keys: Keys;
  readonly projects: Projects;
  readonly rates: RequestRates;
  readonly keyring: Keyring;
  readonly snapshots: Snapshots;
  /** The end of the event log, as it is sent. */
  readonly events: EventTail<EventFrame>;
  readonly frameOf: (event: LoggedEvent) => Promise<EventFrame>;
  readonly streams: EventStreams;
  readonly webhooks: Webhooks;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly log: Log;
  /** For Fastify, which needs a logger of its own kind. */
  readonly logger: Logger;
  readonly draining: Draining;
  readonly settings: ApiSettings;
}

export interface ApiSettings {
  /** Tells the proxy in front of the gateway to send stored files itself. */
  readonly sendfile?: Sendfile | undefined;
  /** The folder of stored files, if they are not in a bucket. */
  readonly mediaRoot: string;
  /** The configured public URL of this gateway, without a trailing slash. */
  readonly publicUrl: string | undefined;
  /** Origins whose pages may call the API. */
  readonly corsOrigins: readonly string[];
  /** Whether the gateway can give an upstream links to inputs. */
  readonly linksInputs: boolean;
  readonly version: string;
  /** Maximum size of a request body with images, bytes. */
  readonly bodyLimit: number;
  readonly files: FileSettings;
  /** Idle timeout of a request body, milliseconds. By default half a minute. */
  readonly bodyIdleMs?: number;
  /** How long an idempotency key is remembered, milliseconds. */
  readonly idempotencyMs: number;
  /** Of the budgets of projects and keys. */
  readonly budgetCurrency: string;
}

/** Uploaded files. */
export interface FileSettings {
  /** Maximum size of one, bytes. */
  readonly maxBytes: number;
  /** How long one is kept at most, milliseconds. */
  readonly retentionMs: number;
  /** The most bytes that a project may keep. */
  readonly perProjectBytes: number;
}

/** The server with its type provider. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether others than our callers choose the query of this route. */
    takesAnyQuery?: true;
  }
  interface FastifyRequest {
    /** The API key of the request. Set before any handler of an authenticated route runs. */
    apiKey: KeyWithProject | undefined;
    /** A log line has told of the request and its answer already, unless that becomes another one than 200. */
    isLogged: boolean;
    /** The answer comes when the caller wants it: how long it took says nothing about this gateway. */
    isHeld: boolean;
    /** Why the answer is an error, for the log. */
    refusal: Refusal | undefined;
  }
}

/** The key of an authenticated request. */
export function keyOf(request: FastifyRequest): KeyWithProject {
  if (!request.apiKey) throw new Error(`${request.url} is served without authentication`);
  return request.apiKey;
}

/** Reads a task of the caller's project. Throws a 404 if there is none and a 410 if it was deleted. */
export async function ownTask(context: ApiContext, request: FastifyRequest, id: string): Promise<Task> {
  const task = isTaskId(id) ? await context.engine.read(id) : undefined;
  if (!task || task.projectId !== keyOf(request).projectId) throw taskNotFound();
  if (task.deletedAt !== undefined) throw gone('The task was deleted.');
  return task;
}
