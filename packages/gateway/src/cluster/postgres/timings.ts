/** When a node and the server consider a session lost. Milliseconds. */
export interface LeaseTimings {
  /** From a response of the server to the next ping. */
  readonly pingMs: number;
  /** How long the lease is valid, from the moment the last answered statement was sent. */
  readonly leaseMs: number;
  /**
   * How long the server keeps a silent session, from the last statement that it received. Longer than the lease, so that the node has
   * stopped before others begin, even if one clock runs faster than the other.
   */
  readonly serverMs: number;
  /** How long opening a session may take. */
  readonly openMs: number;
  /** Delays between tries to open a session: the first one, which then doubles up to the last one. */
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
 * Session settings with which the server ends the session of a frozen process, which sends no statements although its host still
 * acknowledges packets, and of a host that has vanished, which acknowledges nothing.
 */
export function sessionSettings({ serverMs }: LeaseTimings): Readonly<Record<string, string>> {
  // Keepalive probes begin after a third of the time, and repeat every second. Linux uses `tcp_user_timeout` where it is set.
  const idleSeconds = Math.max(1, Math.floor(serverMs / 3000));
  const probes = Math.max(1, Math.ceil(serverMs / 1000) - idleSeconds);
  return {
    idle_session_timeout: String(serverMs),
    // A session is not idle while a statement runs. One that waits for a lock must not keep a dead node's name alive.
    statement_timeout: String(serverMs),
    tcp_keepalives_idle: String(idleSeconds),
    tcp_keepalives_interval: '1',
    tcp_keepalives_count: String(probes),
    // Also ends a session to which the server cannot write because the receive buffer of the frozen process is full.
    tcp_user_timeout: String(serverMs),
  };
}
