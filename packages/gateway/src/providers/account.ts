import type { ModelServer } from '../catalogue/serving.ts';
import type { Provider } from './provider.ts';

/** One upstream account: a credential with its limits, and the adapter that uses it. */
export interface Account extends ModelServer {
  /** Stable name, stored with every attempt: `preview`, `openai-main`. */
  readonly id: string;
  readonly provider: Provider;
  /** The places of a fleet's member may change while the gateway runs. */
  readonly limits: AccountLimits;
  /** Default: `balanced`. */
  readonly tracking?: Tracking | undefined;
  /** The upstream is this node itself, so no other node shares its limits. */
  readonly local?: boolean;
  /** Set for each member of a fleet. */
  readonly member?: FleetMember;
}

/** An account that is one of several servers of one's own, which are configured as one account. */
export interface FleetMember {
  readonly fleet: string;
  /** The base URL of its server, which is stored with every attempt. */
  readonly server: string;
  /** How long its server may be out of reach, or not know a job, before the job counts as lost. */
  readonly lostAfterMs: number;
  /** Whether a job that is lost, or a submission whose outcome is unknown, is made again. Default: as for all accounts. */
  readonly resubmitUnknown?: boolean | undefined;
  /** Whether it is not configured any more, or only elsewhere, and finishes its jobs. Changes while the gateway runs. */
  readonly isRemoved?: boolean;
}

/**
 * What polls of the account are for: `latency` uses nearly all that the upstream allows to know of each end at once; `balanced` half of it;
 * `frugal` no more than it takes to know of most ends within a tenth of the typical time.
 */
export const TRACKING = ['latency', 'balanced', 'frugal'] as const;
export type Tracking = (typeof TRACKING)[number];

/** What the upstream allows one account. The engine keeps within these limits. */
export interface AccountLimits {
  /** Tasks submitted and not yet finished upstream. */
  readonly inFlight: number;
  readonly submitsPerMinute: number;
  /** Polls a second. A batched poll counts once. */
  readonly pollsPerSecond: number;
  /** Handles in one batched poll, if the adapter has one. */
  readonly pollBatch: number;
  /** The shortest time between two polls of one task, in milliseconds. */
  readonly minPollIntervalMs: number;
}
