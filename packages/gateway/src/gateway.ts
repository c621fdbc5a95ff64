import { createHmac, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { App } from './api/context.ts';
import { createDraining } from './api/draining.ts';
import { createFileOpener } from './api/ownFile.ts';
import { createVideoOpener } from './api/ownVideo.ts';
import { createServer } from './api/server.ts';
import { IDLE_GRACE_MS, shutDown, trackUnused } from './api/shutdown.ts';
import { createEventStreams } from './api/streams.ts';
import { createAnnouncement, createFrames } from './api/views/event.ts';
import { createSnapshots } from './api/views/snapshots.ts';
import { createKeyring } from './auth/keyring.ts';
import { createKeys } from './auth/keys.ts';
import { createProjects } from './auth/projects.ts';
import { createRequestRates } from './auth/requestRates.ts';
import { type Catalogue, createCatalogue } from './catalogue/catalogue.ts';
import { serves } from './catalogue/serving.ts';
import { openStore } from './cluster/open.ts';
import { changesForRestart } from './config/changes.ts';
import type { Config } from './config/config.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { createEventTail } from './engine/events/eventTail.ts';
import { createFeed } from './engine/events/feed.ts';
import { connectRemoteEvents } from './engine/events/remoteEvents.ts';
import type { EngineParts, VideoInspector } from './engine/parts.ts';
import { createGatewayMetrics, createGatewayReadiness, watchWebhooks } from './health.ts';
import { openLimits } from './limits/open.ts';
import { createDigester, type Digester } from './media/digest/digester.ts';
import { createDiskSpace } from './media/diskSpace.ts';
import { drawFitting } from './media/inputs/fit.ts';
import { createInputReader } from './media/inputs/reader.ts';
import { createUploads } from './media/inputs/uploads.ts';
import { inspectImage } from './media/inspect/image.ts';
import { createSpriteSheets } from './media/inspect/spriteSheets.ts';
import { prepareProbe, probeAudio, probeVideo, remuxVideo, withPosterFile } from './media/inspect/video.ts';
import { extensionOf } from './media/key.ts';
import { createLinks } from './media/links/links.ts';
import { mediaRootOf, openMedia } from './media/open.ts';
import { createNativePool, type NativePool } from './native/pool.ts';
import { createGuardedFetch, createUrlCheck } from './net/guardedFetch.ts';
import { proxiesOf } from './net/proxies.ts';
import { type SharedPort, sharedListenOptions } from './net/sharedPort.ts';
import type { GatewayLog, Log } from './observability/log.ts';
import type { LogOutput } from './observability/logOutput.ts';
import type { MetricsProcess } from './observability/metrics.ts';
import { cannotBeBlanked } from './observability/redaction.ts';
import type { Account } from './providers/account.ts';
import { InputGone } from './providers/provider.ts';
import { callbackPath, createRegistry, type Registry } from './providers/registry.ts';
import type { LimitStore } from './store/store.ts';
import { OnetakeError } from './tasks/errors.ts';
import { newId } from './tasks/ids.ts';
import type { StoredInput } from './tasks/request.ts';
import { type Clock, systemClock } from './time/clock.ts';
import { createTimers } from './time/timers.ts';
import { VERSION } from './version.ts';
import { createWebhookSender, type SenderParts, type WebhookSender } from './webhooks/sender.ts';
import { createWebhooks, type Webhooks } from './webhooks/webhooks.ts';

/** A running gateway. */
export interface Gateway {
  /** The address it listens on, such as `http://127.0.0.1:8787`. */
  readonly address: string;
  readonly publicUrl: string;
  /** The key that was created because there was none yet. It is shown once and never stored. */
  readonly firstKey: string | undefined;
  /** Takes over the members of fleets and their places. Logs what else of the settings file has changed, which needs a restart. */
  reload(next: Config): Promise<void>;
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
/** How long a link to an input is valid at least: as long as a job may wait upstream (Ark: three days). */
const INPUT_LINK_MS = 72 * HOUR_MS;
/** Child processes that inspect videos and images. Each inspection takes a fraction of a second. */
const INSPECTORS = 2;

/** Addresses that only this machine can reach. */
const LOOPBACK = /^(?:localhost|127\..*|::1)$/i;

export interface GatewayOptions extends MetricsProcess {
  /** The wall clock. By default that of the shared database, or of this machine if there is none. */
  readonly clock?: Clock;
  /** The destination of `log`, which `/readyz` and the metrics report on. */
  readonly logOutput?: LogOutput;
  /** Called right before it listens: from then on clients are answered. */
  readonly beforeListening?: () => void;
  readonly sharedPort?: SharedPort;
}

/** Creates the parts, resumes unfinished tasks and listens. If a part fails to open, those opened before it are closed. */
export async function startGateway(
  config: Config,
  log: GatewayLog,
  { clock, logOutput, sharedMetrics, processMetrics, ...listening }: GatewayOptions = {},
): Promise<Gateway> {
  hideSecrets(config, log);
  const opened = new AsyncDisposableStack();
  try {
    const surroundings = { logger: log, clock, logOutput, sharedMetrics, processMetrics };
    const parts = await openParts(config, surroundings, opened);
    return await serve(config, parts, opened, listening);
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** Keeps the configured secrets out of the log, and says so if some cannot be. */
function hideSecrets({ secrets }: Config, log: GatewayLog): void {
  log.hide(secrets);
  const weak = new Set(secrets.filter(cannotBeBlanked)).size;
  if (weak > 0)
    log.warn(
      { event: 'config.weak_secret', weak },
      `${weak} of the configured keys and passwords ${weak === 1 ? 'is a word' : 'are words'} or shorter than eight characters. The log cannot blank them without blanking its own words: use random ones.`,
    );
}

interface Surroundings extends MetricsProcess {
  readonly logger: GatewayLog;
  readonly clock: Clock | undefined;
  readonly logOutput: LogOutput | undefined;
}

type OpenedParts = Awaited<ReturnType<typeof openParts>>;

/** Opens everything behind the API, from the store to the engine. The engine is not started yet. */
async function openParts(config: Config, surroundings: Surroundings, opened: AsyncDisposableStack) {
  const { logger, sharedMetrics } = surroundings;
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
  const digester = createDigester();
  opened.defer(() => digester.close());
  const linkSecret = await store.secret('links', () => randomBytes(32).toString('hex'));
  const linkTo = inputLinks(config, linkSecret, clock);
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
  const catalogue = createCatalogue({
    declared: config.declaredModels,
    overrides: config.models,
    servers: registry.accounts,
    clock,
  });
  for (const { variables, text } of config.unusedVariables)
    log.warn({ event: 'config.variable_unused', variables }, text);
  warnAboutIdleAccounts(registry.accounts, catalogue, clock, log);

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
    inspector: createInspector(native, digester),
    accounts: registry.accounts,
    openFormer: registry.openFormer,
    catalogue,
    clock,
    timers,
    feed,
    log,
    ...(linkTo ? { linkTo } : {}),
  });

  store.onExternalChange(() => {
    retryWanted(store, engine).catch((err) =>
      log.warn({ event: 'account.retry_failed', err }, 'cannot read which accounts to retry'),
    );
  });

  // Workers are several nodes at one address, with or without a load balancer.
  if (cluster.shared && !sharedMetrics) warnAboutAddresses(config, log);
  const observed = { ...surroundings, engine, limits, store, storage, cluster, space, problem, log };
  const metrics = createGatewayMetrics(observed, feed);
  for (const { id } of catalogue.list()) if (catalogue.available(id)) metrics.model(id);
  return {
    logger,
    clock,
    store,
    cluster,
    proxies,
    storage,
    linksBeside,
    linkSecret,
    native,
    accounts: registry.accounts,
    reload(next: Config) {
      hideSecrets(next, logger);
      return reloadMembers({ running: config, next, registry, engine, log });
    },
    catalogue,
    keys,
    projects: createProjects(store, clock),
    rates: createRequestRates(store.sharedLimits, clock),
    keyring,
    feed,
    engine,
    metrics,
    readiness: createGatewayReadiness(observed),
  };
}

/** Starts the engine, which resumes unfinished tasks, and listens. */
async function serve(
  config: Config,
  parts: OpenedParts,
  opened: AsyncDisposableStack,
  { beforeListening, sharedPort }: Pick<GatewayOptions, 'beforeListening' | 'sharedPort'>,
): Promise<Gateway> {
  const { store, cluster, engine, catalogue, clock, feed, keys, native, proxies, storage } = parts;
  const log: Log = parts.logger;
  // Without a configured URL, the address is only known once the port is bound.
  let address = '';
  const publicUrl = () => config.publicUrl ?? address;
  const gatewayLinks = createLinks({
    baseUrl: () => config.mediaUrl ?? publicUrl(),
    secrets: [parts.linkSecret],
    ttlMs: config.linkTtlHours * HOUR_MS,
    clock,
  });
  const view = {
    links: parts.linksBeside(gatewayLinks, async (mediaId) => {
      const row = await store.media(mediaId);
      return row?.state === 'present' ? row.storageKey : undefined;
    }),
    givesUrl: (model: string) => catalogue.get(model)?.delivery !== 'download',
  };
  const frameOf = createFrames({ ...view, clock });
  const guardedFetch = callerFetch(config, proxies);
  const render = createAnnouncement({ ...view, clock, task: store.task });
  const { webhooks, sender } = openWebhooks(config, { ...parts, log, fetch: guardedFetch, render }, opened);
  let server: App | undefined;
  let unused: () => Iterable<Socket> = () => [];
  const draining = createDraining();
  opened.defer(async () => {
    const patienceMs = config.drainTimeoutSeconds * 1000;
    if (!server?.server.listening) {
      await Promise.all([server?.close(), engine.drain(patienceMs)]);
      return;
    }
    await shutDown({
      app: server,
      unused,
      draining,
      delayMs: config.drainDelaySeconds * 1000,
      graceMs: IDLE_GRACE_MS,
      patienceMs,
      drain: (ms) => engine.drain(ms),
    });
  });

  const streams = createEventStreams({
    keyring: parts.keyring,
    draining,
    clock,
    monotonicClock: systemClock,
    limits: { perKey: config.eventStreamsPerKey, perNode: config.eventStreams },
  });
  parts.metrics.watch('gauge', 'onetake_event_streams', 'Event streams that are open', () => streams.count);
  const intake = intakeOf(parts);
  server = await createServer({
    ...parts,
    draining,
    frameOf,
    streams,
    events: createEventTail({ store, cluster, feed, log, render: frameOf }),
    media: engine.mediaScrub.media,
    inputs: createInputReader({
      ...intake,
      guardedFetch,
      drawFitting: (input) => drawFitting(native, input),
      hasLinks: linkBase(config) !== undefined,
      openVideo: createVideoOpener({ engine, store, media: engine.mediaScrub.media, clock }),
      openFile: createFileOpener({ store, media: engine.mediaScrub.media, clock }),
    }),
    uploads: createUploads(intake),
    spriteSheets: createSpriteSheets({ native, storage }),
    webhooks,
    links: gatewayLinks,
    snapshots: createSnapshots({
      readTask: engine.current,
      live: engine.live,
      waiting: engine.waiting,
      hasLease: cluster.hasLease,
      feed,
      clock,
      ...view,
    }),
    log,
    logger: parts.logger,
    settings: {
      publicUrl: config.publicUrl,
      sendfile: config.sendfile,
      mediaRoot: mediaRootOf(config),
      corsOrigins: config.corsOrigins,
      linksInputs: linkBase(config) !== undefined,
      version: VERSION,
      bodyLimit: config.bodyLimitMb * 2 ** 20,
      files: {
        maxBytes: config.fileLimitMb * 2 ** 20,
        retentionMs: config.fileRetentionHours * HOUR_MS,
        perProjectBytes: config.fileStorageMb * 2 ** 20,
      },
      ...{ idempotencyMs: IDEMPOTENCY_MS, budgetCurrency: config.budgetCurrency },
    },
  });
  unused = trackUnused(server.server);
  await engine.start();
  sender.start();
  beforeListening?.();
  address = await listen(server, config, sharedPort);
  log.info({ event: 'gateway.listening', address, version: VERSION, node: cluster.node }, 'listening');

  return {
    address,
    publicUrl: publicUrl(),
    // Created last, when nothing can fail any more before it is shown.
    firstKey: await createFirstKey(keys, log),
    reload: parts.reload,
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

/** What takes in and measures the bytes of callers. */
const intakeOf = ({ storage, store, clock, native }: OpenedParts) => ({
  storage,
  store,
  clock,
  inspectImage: (path: string) => inspectImage(native, path),
  probeVideo: (path: string) => probeVideo(native, path),
  probeAudio: (path: string) => probeAudio(native, path),
});

/** Undefined if there are keys. A gateway that serves does not stop because its database is away just now. */
async function createFirstKey(keys: OpenedParts['keys'], log: Log): Promise<string | undefined> {
  try {
    if ((await keys.list()).length > 0) return undefined;
    return (await keys.create({ name: 'first', scopes: ['generate', 'admin'] }, 'first-start')).key;
  } catch (err) {
    log.warn(
      { event: 'keys.first_unknown', err },
      'cannot tell whether there is an API key; if there is none, make one with `onetake keys create --name first --admin`',
    );
    return undefined;
  }
}

/** Fetches what callers give links to. */
const callerFetch = ({ allowPrivateHosts, proxyResolves }: Config, proxies: OpenedParts['proxies']) =>
  createGuardedFetch({ allowHosts: allowPrivateHosts, proxies, proxyResolves });

type WebhookParts = Pick<OpenedParts, 'store' | 'clock' | 'cluster' | 'metrics'> &
  Pick<SenderParts, 'log' | 'fetch' | 'render'>;

/** To be called before the engine's stop is deferred: what that announces is still sent. */
function openWebhooks(
  { allowPrivateHosts }: Config,
  { store, clock, cluster, metrics, log, fetch, render }: WebhookParts,
  opened: AsyncDisposableStack,
): { webhooks: Webhooks; sender: WebhookSender } {
  const timers = createTimers(systemClock);
  const sender = createWebhookSender({ store, clock, timers, cluster, log, fetch, render });
  opened.defer(async () => {
    await sender.stop();
    timers.close();
  });
  watchWebhooks(metrics, sender, store);
  const checkUrl = createUrlCheck(allowPrivateHosts);
  return { webhooks: createWebhooks({ store, sender, clock, checkUrl }), sender };
}

/** Where upstreams can fetch inputs; undefined if the operator has not said how the gateway is reached from outside. */
const linkBase = ({ mediaUrl, publicUrl }: Config): string | undefined => mediaUrl ?? publicUrl;

/** Makes links to inputs, for upstreams that fetch them. See `Job.linkTo`. */
function inputLinks(
  config: Config,
  secret: string,
  clock: Clock,
): ((input: StoredInput) => string) | undefined {
  const base = linkBase(config);
  if (base === undefined) return undefined;
  const links = createLinks({ baseUrl: () => base, secrets: [secret], ttlMs: INPUT_LINK_MS, clock });
  return ({ mediaId, contentType }) => links.url(mediaId, extensionOf(contentType), Number.POSITIVE_INFINITY);
}

async function reloadMembers({ running, next, registry, engine, log }: Reloading): Promise<void> {
  const fleets = new Set(running.accounts.map(({ member }) => member?.fleet));
  // A new fleet may have models that the running catalogue does not know.
  await registry.setMembers(next.accounts.filter(({ member }) => member && fleets.has(member.fleet)));
  engine.membersChanged();
  const members = registry.accounts.flatMap(({ id, member }) => (member && !member.isRemoved ? id : []));
  log.info({ event: 'config.reloaded', members }, 'the settings file was changed');
  const changes = changesForRestart(running.file, next.file);
  if (changes.length > 0)
    log.warn({ event: 'config.needs_restart', changes }, 'some changes of the settings file need a restart');
}

interface Reloading {
  /** What the gateway was started with. */
  readonly running: Config;
  readonly next: Config;
  readonly registry: Registry;
  readonly engine: Pick<Engine, 'membersChanged'>;
  readonly log: Log;
}

/** Warns about accounts that are in vain, such as the key of a service that has ended all its models. */
function warnAboutIdleAccounts(
  accounts: readonly Account[],
  catalogue: Catalogue,
  clock: Clock,
  log: Log,
): void {
  for (const account of accounts) {
    if (catalogue.list().some((model) => serves(account, model, clock.now()))) continue;
    log.warn(
      { event: 'account.serves_nothing', account: account.id },
      'the account serves no model: its service has ended those of the catalogue, or it needs models of its own (docs/providers.md)',
    );
  }
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
  | 'store'
  | 'cluster'
  | 'limits'
  | 'storage'
  | 'inspector'
  | 'accounts'
  | 'openFormer'
  | 'clock'
  | 'timers'
  | 'feed'
  | 'log'
  | 'linkTo'
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
    servedUntil: (account, task) => catalogue.servedUntil(account, task.request),
    upstreamModel: (account, task) => catalogue.upstreamModelAt(account, task.request),
    upstreamRequest: (task) => catalogue.upstreamRequest(task.request),
    deliveredRate: ({ request, attempt }, delivered) => {
      const account = parts.accounts.find(({ id }) => id === attempt?.accountId);
      const usage = attempt?.upstreamResult?.usage;
      return catalogue.deliveredRate(account, request, { ...delivered, usage });
    },
    settings: {
      maxVideoBytes: config.maxVideoMb === undefined ? undefined : config.maxVideoMb * 2 ** 20,
      taskDeadlineMs: config.taskDeadlineMinutes * 60_000,
      maxAttempts: config.maxAttempts,
      resubmitUnknown: config.resubmitUnknown,
      callTimeoutMs: config.callTimeoutSeconds * 1000,
      downloadConcurrency: DOWNLOAD_CONCURRENCY,
      scrubIntervalMs: config.scrubSeconds * 1000,
      retentionMs: config.retentionHours * HOUR_MS,
      eventRetentionMs: config.eventRetentionHours * HOUR_MS,
      taskRetentionMs: config.taskRetentionDays * 24 * HOUR_MS,
      ledgerRetentionMs: config.ledgerRetentionDays * 24 * HOUR_MS,
      auditRetentionMs: config.auditRetentionDays * 24 * HOUR_MS,
      deliveryRetentionMs: (config.deliveryRetentionHours ?? 0) * HOUR_MS,
      downloadPatienceMs: DOWNLOAD_PATIENCE_MS,
    },
  });
  return engine;
}

const createInspector = (native: NativePool, { digest, follow }: Digester): VideoInspector => ({
  prepare: () => prepareProbe(native),
  probe: (path) => probeVideo(native, path),
  remux: (path, outPath) => remuxVideo(native, path, outPath),
  digest,
  follow,
  poster: (videoPath, use) => withPosterFile(native, videoPath, use),
});

/**
 * Connections that the kernel completes before they are accepted, as far as it allows (`net.core.somaxconn`). It drops what is beyond, and a client
 * tries again only after a second, then two, then four: after a restart, clients that hold queries come back by the thousand. Node's default is 511.
 */
const BACKLOG = 4096;

async function listen(
  server: App,
  { host, port }: Pick<Config, 'host' | 'port'>,
  shared: SharedPort | undefined,
): Promise<string> {
  try {
    const options = shared ? await sharedListenOptions(host, port, shared) : { port };
    return await server.listen({ host, backlog: BACKLOG, ...options });
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
