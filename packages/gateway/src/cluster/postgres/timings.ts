/** When a node and its server take a session for lost. Milliseconds. */
export interface LeaseTimings {
  /** From an answer of the server to the next question. */
  readonly pingMs: number;
  /** How long the node counts on the session, from the moment it sent the last question that was answered. */
  readonly leaseMs: number;
  /**
   * How long the server keeps a session that says nothing, from the last question it heard. Longer than the lease: the
   * node has stopped before others may begin, also where one clock runs faster than the other.
   */
  readonly serverMs: number;
  /** How long opening a session may take. */
  readonly openMs: number;
  /** Waits between tries to open one: the first, doubled up to the last. */
  readonly retryMs: readonly [first: number, last: number];
}

export const LEASE_TIMINGS: LeaseTimings = {
  pingMs: 1000,
  leaseMs: 4000,
  serverMs: 6000,
  openMs: 5000,
  retryMs: [250, 5000],
};

/**
 * The settings that a session makes for itself, by which the server ends it when its process is frozen (nothing is said,
 * though its host still acknowledges) and when its host has vanished (nothing is acknowledged).
 */
export function sessionSettings({ serverMs }: LeaseTimings): Readonly<Record<string, string>> {
  // Probes a third of the time after the last word, then each second; Linux goes by `tcp_user_timeout` where it is set.
  const idleSeconds = Math.max(1, Math.floor(serverMs / 3000));
  const probes = Math.max(1, Math.ceil(serverMs / 1000) - idleSeconds);
  return {
    idle_session_timeout: String(serverMs),
    // While a statement runs no session is idle: one that waits for a lock must not keep its node's name alive.
    statement_timeout: String(serverMs),
    tcp_keepalives_idle: String(idleSeconds),
    tcp_keepalives_interval: '1',
    tcp_keepalives_count: String(probes),
    // Also ends a session whose frozen process has let its receive buffer run full, while the server waits to write.
    tcp_user_timeout: String(serverMs),
  };
}
