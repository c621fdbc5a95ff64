import { createReadiness, type Readiness } from './api/readiness.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Engine } from './engine/engine.ts';
import type { Feed } from './engine/events/feed.ts';
import type { Limits } from './limits/limits.ts';
import type { DiskSpace } from './media/diskSpace.ts';
import type { MediaStorage } from './media/media.ts';
import type { Log } from './observability/log.ts';
import type { LogOutput } from './observability/logOutput.ts';
import { createMetrics, type Metrics, type MetricsProcess } from './observability/metrics.ts';
import type { Store } from './store/store.ts';
import { OnetakeError } from './tasks/errors.ts';
import { VERSION } from './version.ts';
import type { WebhookSender } from './webhooks/sender.ts';

/** The parts of a gateway that `/metrics` and `/readyz` report on. */
export interface ObservedParts extends MetricsProcess {
  readonly engine: Engine;
  readonly limits: Pick<Limits, 'warning'>;
  readonly store: Store;
  readonly storage: MediaStorage;
  readonly cluster: Cluster;
  readonly space: DiskSpace;
  readonly logOutput: LogOutput | undefined;
  /** A public sentence that says why nothing may be submitted any more; undefined if there is no problem. */
  readonly problem: () => string | undefined;
  readonly log: Log;
}

/** How long a successful check of the store is cached, because each one is a durable write. Milliseconds. */
const STORE_CHECK_MS = 1000;

export function createGatewayMetrics(parts: ObservedParts, feed: Feed): Metrics {
  const { engine, store, space, logOutput, problem } = parts;
  const metrics = createMetrics(() => engine.unfinished, engine.accounts, { ...parts, version: VERSION });
  feed.onChange(({ task, transition }) => transition && metrics.moved(task));
  const { watch } = metrics;
  watch(
    'counter',
    'onetake_media_damaged_total',
    'Stored files that this node found damaged or missing',
    () => engine.mediaScrub.found,
  );
  watch(
    'counter',
    'onetake_media_repaired_total',
    'Stored files that this node repaired, and posters that it created later',
    () => engine.mediaScrub.repaired,
  );
  watch(
    'gauge',
    'onetake_store_went_back',
    'Whether the database lost confirmed writes',
    () => (problem() === undefined ? 0 : 1),
    'max',
  );
  watch(
    'counter',
    'onetake_store_rows_unreadable_total',
    'Stored rows that cannot be read and are skipped, each counted once',
    () => store.unreadable(),
  );
  watch(
    'gauge',
    'onetake_poll_stalled_seconds',
    'How long this node has been unable to send polls that are due; 0 if it is able to',
    () => engine.pollWatch.stalledMs() / 1000,
  );
  watch(
    'gauge',
    'onetake_disk_free_bytes',
    'Free on the disk of the data folder',
    () => space.freeBytes(),
    'min',
  );
  if (logOutput)
    watch(
      'counter',
      'onetake_log_lines_dropped_total',
      'Log lines that could not be written',
      () => logOutput.dropped,
    );
  return metrics;
}

export function watchWebhooks(
  { watch }: Metrics,
  sender: Pick<WebhookSender, 'counts' | 'inFlight'>,
  store: Pick<Store, 'pendingDeliveries'>,
): void {
  const count = (name: keyof WebhookSender['counts'], help: string) =>
    watch('counter', `onetake_webhook_${name}_total`, help, () => sender.counts[name]);
  count('delivered', 'Webhooks that this node delivered');
  count('failed', 'Tries of this node to deliver a webhook that failed');
  count('dead', 'Webhooks that this node did not deliver and that are not tried again by themselves');
  watch('gauge', 'onetake_webhook_in_flight', 'Webhooks that this node is sending', () => sender.inFlight);
  watch(
    'gauge',
    'onetake_webhook_pending',
    'Webhooks of all nodes that are not delivered yet',
    () => store.pendingDeliveries(),
    'max',
  );
}

export function createGatewayReadiness(parts: ObservedParts): Readiness {
  const { engine, limits, store, storage, cluster, logOutput, problem, log } = parts;
  return createReadiness({
    checks: [
      { part: 'store', name: 'The store', check: () => store.check(), keepMs: STORE_CHECK_MS },
      { part: 'feed', name: 'The feed of changes', check: async () => requireLease(cluster, problem()) },
      { part: 'upstreams', name: 'Polling upstreams', check: async () => requirePolling(engine) },
      { part: 'storage', name: 'The media storage', check: () => storage.check() },
    ],
    warnings: [
      { part: 'clock', warning: () => engine.clockSteps.warning() },
      { part: 'limits', warning: limits.warning },
      ...(logOutput ? [{ part: 'log', warning: () => logOutput.warning() }] : []),
    ],
    onFailure: (part, err) => log.error({ event: 'gateway.not_ready', part, err }, 'not ready'),
  });
}

function requireLease(cluster: Cluster, problem: string | undefined): void {
  if (cluster.hasLease()) return;
  const message =
    problem ?? 'This node has lost its connection to the cluster and is joining again; see the log.';
  throw new OnetakeError('not_ready', 503, message);
}

function requirePolling({ pollWatch }: Engine): void {
  if (!pollWatch.stalled) return;
  const seconds = Math.round(pollWatch.stalledMs() / 1000);
  const message = `This node has not been able to poll upstreams for ${seconds} s; see the log.`;
  throw new OnetakeError('not_ready', 503, message);
}
