import { createHmac, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { App } from './api/context.ts';
import { createDraining } from './api/draining.ts';
import { createServer } from './api/server.ts';
import { IDLE_GRACE_MS, shutDown } from './api/shutdown.ts';
import { createSnapshots } from './api/views/snapshots.ts';
import { createKeyring } from './auth/keyring.ts';
import { createKeys } from './auth/keys.ts';
import { type Catalogue, createCatalogue } from './catalogue/catalogue.ts';
import { openStore } from './cluster/open.ts';
import type { Config } from './config/config.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { createFeed } from './engine/events/feed.ts';
import { connectRemoteEvents } from './engine/events/remoteEvents.ts';
import type { EngineParts, VideoInspector } from './engine/parts.ts';
import { createGatewayMetrics, createGatewayReadiness } from './health.ts';
import { openLimits } from './limits/open.ts';
import { digestOf } from './media/checkedStream.ts';
import { createDiskSpace } from './media/diskSpace.ts';
import { createInputReader } from './media/inputs/reader.ts';
import { inspectImage } from './media/inspect/image.ts';
import { probeVideo, remuxVideo, withPosterFile } from './media/inspect/video.ts';
import { createLinks } from './media/links/links.ts';
import { openMedia } from './media/open.ts';
import { createNativePool, type NativePool } from './native/pool.ts';
import { createGuardedFetch } from './net/guardedFetch.ts';
import { proxiesOf } from './net/proxies.ts';
import type { Log } from './observability/log.ts';
import type { LogOutput } from './observability/logOutput.ts';
import { InputGone } from './providers/provider.ts';
import { callbackPath, createRegistry } from './providers/registry.ts';
import type { LimitStore } from './store/store.ts';
import { OnetakeError } from './tasks/errors.ts';
import { newId } from './tasks/ids.ts';
import { type Clock, systemClock } from './time/clock.ts';
import { createTimers } from './time/timers.ts';
import { VERSION } from './version.ts';

/** A running gateway. */
export interface Gateway {
  /** The address it listens on, such as `http://127.0.0.1:8787`. */
  readonly address: string;
  readonly publicUrl: string;
  /** The key that was created because there was none yet. It is shown once and never stored. */
  readonly firstKey: string | undefined;
  /** Stops gracefully: accepts nothing new, and finishes calls that must not be interrupted. Unfinished tasks are stored and resumed later. */
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;
/** How long an `Idempotency-Key` is remembered: a day, as most payment and video services do. */
const IDEMPOTENCY_MS = 24 * HOUR_MS;
/** How long the download of a paid video is retried before it counts as lost. Upstream links last two days at most. */
const DOWNLOAD_PATIENCE_MS = 48 * HOUR_MS;
/** Concurrent downloads per account. More would only share the same bandwidth. */
const DOWNLOAD_CONCURRENCY = 8;
/** Child processes that inspect videos and images. Each inspection takes a fraction of a second. */
const INSPECTORS = 2;

/** Addresses that only this machine can reach. */
const LOOPBACK = /^(?:localhost|127\..*|::1)$/i;

export interface GatewayOptions {
  /** The wall clock. By default that of the shared database, or of this machine if there is none. */
  readonly clock?: Clock;
  /** The destination of `log`, which `/readyz` and the metrics report on. */
  readonly logOutput?: LogOutput;
}

/** Creates the parts, resumes unfinished tasks and listens. If a part fails to open, those opened before it are closed. */
export async function startGateway(
  config: Config,
  log: Logger,
  { clock, logOutput }: GatewayOptions = {},
): Promise<Gateway> {
  const opened = new AsyncDisposableStack();
  try {
    const parts = await openParts(config, { logger: log, clock, logOutput }, opened);
    return await serve(config, parts, opened);
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

interface Surroundings {
  readonly logger: Logger;
  readonly clock: Clock | undefined;
  readonly logOutput: LogOutput | undefined;
}

type OpenedParts = Awaited<ReturnType<typeof openParts>>;

/** Opens everything behind the API, from the store to the engine. The engine is not started yet. */
async function openParts(config: Config, surroundings: Surroundings, opened: AsyncDisposableStack) {
  const { logger, logOutput } = surroundings;
  const log: Log = logger;
  const { store, cluster, problem, ...opening } = await openStore(config, log);
  const clock = surroundings.clock ?? opening.clock;
  opened.defer(() => store.close());
  opened.defer(() => cluster.close());
  const proxies = proxiesOf(config);
  const space = createDiskSpace({
    folder: config.dataDir,
    reserveBytes: config.diskReserveMb * 2 ** 20,
  });
  const { storage, linksBeside } = await openMedia(config, {
    installation: () => store.secret('installation', newId),
    clock,
    proxies,
    space,
    log,
  });
  const timers = createTimers(systemClock);
  const limits = openLimits({ store, cluster, clock, timers, log });
  opened.defer(() => limits.stop());
  const native = createNativePool({ concurrency: INSPECTORS, log });
  opened.defer(() => native.close());
  const callbackSecret = await store.secret('callbacks', () => randomBytes(32).toString('hex'));
  const registry = await createRegistry({
    settings: config,
    log,
    clock,
    permits: limits.permitsOf,
    proxies,
    hasLease: () => cluster.hasLease(),
    callback: (accountId) =>
      config.publicUrl === undefined
        ? undefined
        : {
            url: `${config.publicUrl}${callbackPath(accountId)}`,
            token: createHmac('sha256', callbackSecret).update(accountId).digest('base64url'),
          },
  });
  opened.defer(() => registry.close());
  const catalogue = createCatalogue({ overrides: config.models, servers: registry.accounts });

  const keys = createKeys(store, clock);
  const keyring = createKeyring(store, clock, cluster.hasLease);
  const forgetKeys = () => keyring.forget();
  store.onExternalChange(forgetKeys);
  if (config.bootstrapKey !== undefined) await keys.ensure(config.bootstrapKey);

  const feed = createFeed({ reader: store.tasks, log });
  connectRemoteEvents(cluster, feed, { forgetKeys });
  const engine = createGatewayEngine(config, {
    store,
    cluster,
    limits,
    storage,
    inspector: createInspector(native),
    accounts: registry.accounts,
    catalogue,
    clock,
    timers,
    feed,
    log,
  });

  store.onExternalChange(() => {
    retryWanted(store, engine).catch((err) =>
      log.warn({ event: 'account.retry_failed', err }, 'cannot read which accounts to retry'),
    );
  });

  const observed = { engine, limits, store, storage, cluster, space, logOutput, problem, log };
  return {
    logger,
    clock,
    store,
    cluster,
    proxies,
    storage,
    linksBeside,
    native,
    accounts: registry.accounts,
    catalogue,
    keys,
    keyring,
    feed,
    engine,
    metrics: createGatewayMetrics(observed, feed),
    readiness: createGatewayReadiness(observed),
  };
}

/** Starts the engine, which resumes unfinished tasks, and listens. */
async function serve(config: Config, parts: OpenedParts, opened: AsyncDisposableStack): Promise<Gateway> {
  const { store, cluster, engine, catalogue, clock, feed, keys, native, proxies, storage } = parts;
  const log: Log = parts.logger;
  let server: App | undefined;
  const draining = createDraining();
  opened.defer(async () => {
    const patienceMs = config.drainTimeoutSeconds * 1000;
    if (!server?.server.listening) {
      await Promise.all([server?.close(), engine.drain(patienceMs)]);
      return;
    }
    await shutDown({
      app: server,
      draining,
      delayMs: config.drainDelaySeconds * 1000,
      graceMs: IDLE_GRACE_MS,
      patienceMs,
      drain: (ms) => engine.drain(ms),
    });
  });

  // Without a configured URL, the address is only known once the port is bound.
  let address = '';
  const publicUrl = () => config.publicUrl ?? address;
  const gatewayLinks = createLinks({
    baseUrl: () => config.mediaUrl ?? publicUrl(),
    secrets: [await store.secret('links', () => randomBytes(32).toString('hex'))],
    ttlMs: config.linkTtlHours * HOUR_MS,
    clock,
  });
  server = await createServer({
    ...parts,
    draining,
    media: engine.mediaScrub.media,
    inputs: createInputReader({
      guardedFetch: createGuardedFetch({
        allowHosts: config.allowPrivateHosts,
        proxies,
        proxyResolves: config.proxyResolves,
      }),
      storage,
      inspectImage: (path) => inspectImage(native, path),
      store,
      clock,
    }),
    links: gatewayLinks,
    snapshots: createSnapshots({
      readTask: engine.current,
      live: engine.live,
      waiting: engine.waiting,
      hasLease: cluster.hasLease,
      feed,
      clock,
      links: parts.linksBeside(gatewayLinks, async (mediaId) => {
        const row = await store.media(mediaId);
        return row?.state === 'present' ? row.storageKey : undefined;
      }),
      givesUrl: (model) => catalogue.get(model)?.delivery !== 'download',
    }),
    log,
    logger: parts.logger,
    settings: {
      publicUrl: config.publicUrl,
      version: VERSION,
      bodyLimit: config.bodyLimitMb * 2 ** 20,
      idempotencyMs: IDEMPOTENCY_MS,
    },
  });
  if (cluster.shared) warnAboutAddresses(config, log);
  await engine.start();
  address = await listen(server, config);
  log.info({ event: 'gateway.listening', address, version: VERSION, node: cluster.node }, 'listening');

  // Created last, when nothing can fail any more before it is shown.
  const firstKey =
    (await keys.list()).length > 0
      ? undefined
      : (await keys.create({ name: 'first', scopes: ['generate', 'admin'] }, 'first-start')).key;

  return {
    address,
    publicUrl: publicUrl(),
    firstKey,
    async close() {
      log.info(
        { event: 'gateway.draining', unfinished: engine.unfinished, patience_s: config.drainTimeoutSeconds },
        'draining',
      );
      await opened.disposeAsync();
      log.info({ event: 'gateway.stopped' }, 'stopped');
    },
  };
}

/** Warns about settings that suit one node, but not several behind a load balancer. */
function warnAboutAddresses({ host, publicUrl }: Config, log: Log): void {
  if (publicUrl === undefined) {
    log.warn(
      { event: 'config.no_public_url' },
      'ONETAKE_PUBLIC_URL is not set: links in answers lead to the node that gave them, not to the load balancer',
    );
  }
  if (LOOPBACK.test(host)) {
    log.warn(
      { event: 'config.loopback_host', host },
      'ONETAKE_HOST is a loopback address: a load balancer on another machine cannot reach this node; set it to 0.0.0.0',
    );
  }
}

type GatewayEngineParts = Pick<
  EngineParts,
  'store' | 'cluster' | 'limits' | 'storage' | 'inspector' | 'accounts' | 'clock' | 'timers' | 'feed' | 'log'
> & { readonly catalogue: Catalogue };

function createGatewayEngine(config: Config, { catalogue, ...parts }: GatewayEngineParts): Engine {
  const engine = createEngine({
    ...parts,
    openInput: async (input) => {
      const row = await parts.store.media(input.mediaId);
      if (!row) throw new InputGone(`input ${input.mediaId} is gone`);
      // A file is marked as damaged only after a second read. There is no other copy of an input.
      if (row.state === 'damaged') throw new InputGone(`input ${input.mediaId} is damaged`);
      return engine.mediaScrub.media.read(row);
    },
    typicalTime: (task) => catalogue.typicalTime(task.request),
    servedBy: (account, task) => catalogue.servedBy(account, task.request),
    upstreamModel: (account, task) => catalogue.upstreamModelAt(account, task.request),
    upstreamRequest: (task) => catalogue.upstreamRequest(task.request),
    deliveredRate: (task, delivered) => catalogue.deliveredRate(task.request, delivered),
    settings: {
      maxVideoBytes: config.maxVideoMb === undefined ? undefined : config.maxVideoMb * 2 ** 20,
      taskDeadlineMs: config.taskDeadlineMinutes * 60_000,
      maxAttempts: config.maxAttempts,
      resubmitUnknown: config.resubmitUnknown,
      callTimeoutMs: config.callTimeoutSeconds * 1000,
      downloadConcurrency: DOWNLOAD_CONCURRENCY,
      scrubIntervalMs: config.scrubSeconds * 1000,
      retentionMs: config.retentionHours * HOUR_MS,
      downloadPatienceMs: DOWNLOAD_PATIENCE_MS,
    },
  });
  return engine;
}

const createInspector = (native: NativePool): VideoInspector => ({
  probe: (path) => probeVideo(native, path),
  remux: (path, outPath) => remuxVideo(native, path, outPath),
  digest: digestOf,
  poster: (videoPath, use) => withPosterFile(native, videoPath, use),
});

async function listen(server: App, { host, port }: Pick<Config, 'host' | 'port'>): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? cause.code : String(cause);
    throw new OnetakeError(
      'cannot_listen',
      503,
      `Cannot listen on ${host}, port ${port} (${why}); set ONETAKE_HOST and ONETAKE_PORT to what is free here.`,
      {},
      cause,
    );
  }
}

/** Retries blocked accounts for which `onetake accounts retry` cleared the wait. */
async function retryWanted(store: LimitStore, engine: Engine): Promise<void> {
  for (const { account, failures, blockedUntil } of await store.accounts())
    if (failures > 0 && blockedUntil === 0) engine.retryAccounts(account);
}
