import type { Cluster } from '../cluster/cluster.ts';
import type { Log } from '../observability/log.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { Limits } from './limits.ts';
import { createLocalLimits } from './local.ts';
import { createSharedLimits } from './shared.ts';

interface LimitsParts {
  readonly store: Store;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn'>;
}

/** Nodes that share a database share the limits of accounts in it. A single node keeps them in memory. */
export function openLimits(parts: LimitsParts): Limits {
  const { sharedLimits: shared } = parts.store;
  return shared ? createSharedLimits({ ...parts, shared }) : createLocalLimits(parts);
}
