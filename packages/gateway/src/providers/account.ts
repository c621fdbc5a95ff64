import type { ModelServer } from '../catalogue/serving.ts';
import type { Provider } from './provider.ts';

/** One upstream account: a credential with its limits, bound to the adapter that uses it. */
export interface Account extends ModelServer {
  /** Stable name, stored with every attempt: `preview`, `openai-main`. */
  readonly id: string;
  readonly provider: Provider;
  readonly limits: AccountLimits;
  /** The upstream is this very node: its limits are shared with no other. */
  readonly local?: boolean;
}

/** What the upstream allows one account. The engine keeps within these by itself. */
export interface AccountLimits {
  /** Tasks submitted and not yet finished upstream. */
  readonly inFlight: number;
  readonly startsPerMinute: number;
  /** Status queries a second, batched ones counted once. */
  readonly asksPerSecond: number;
  /** Handles in one batched query, where the adapter has one. */
  readonly askBatch: number;
  /** The shortest time between two polls of one task, in milliseconds. */
  readonly minAskIntervalMs: number;
}
