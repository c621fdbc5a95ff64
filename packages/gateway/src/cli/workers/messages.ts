import type { ReadFiles } from '../../config/files.ts';
import type { MetricsSnapshot } from '../../observability/metrics.ts';

/** What a worker tells its supervisor. */
export type FromWorker =
  /** Asks for the settings files. */
  | { readonly type: 'starting' }
  /** Answers a ping. */
  | { readonly type: 'alive' }
  | {
      readonly type: 'listening';
      readonly address: string;
      readonly publicUrl: string;
      readonly firstKey: string | undefined;
    }
  /** Asks for the metrics of all workers, for a client of `/metrics`. */
  | { readonly type: 'gather'; readonly request: number }
  /** Its own, as the supervisor asked for them. */
  | { readonly type: 'metrics'; readonly request: number; readonly snapshot: MetricsSnapshot };

/** What the supervisor tells a worker. */
export type ToWorker =
  /** The settings files as they were at the start of the gateway: a worker that starts again has the same settings as the others. */
  | { readonly type: 'settings'; readonly files: ReadFiles }
  /** Asks whether its event loop still runs. */
  | { readonly type: 'ping' }
  | { readonly type: 'metrics'; readonly request: number }
  /** What a worker that gathers has asked for. */
  | { readonly type: 'gathered'; readonly request: number; readonly snapshots: readonly MetricsSnapshot[] };
