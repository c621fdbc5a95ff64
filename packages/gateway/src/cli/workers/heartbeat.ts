/** How often a worker is asked whether it still runs. Milliseconds. */
export const PING_MS = 1000;
/**
 * A worker that has left so many pings in a row without an answer is stuck: after ten to twelve seconds. It gets its share of new connections
 * until then, while the other workers have its tasks after four to six (`cluster/postgres/timings.ts`). The machine may be slow, too.
 */
export const MOST_UNANSWERED = 10;

export interface Heartbeat {
  /** To be called with every message of the worker. */
  heard(): void;
  /** To be called once it has ended. */
  end(): void;
}

/**
 * Pings a worker from its first message on, and calls `silent` once if it no longer answers: its event loop is blocked, or its process stopped.
 * Pings are counted, not time: after this process was itself suspended, nobody counts as silent.
 */
export function createHeartbeat(
  ping: () => void,
  silent: () => void,
  { everyMs, most } = { everyMs: PING_MS, most: MOST_UNANSWERED },
): Heartbeat {
  let unanswered = 0;
  let timer: NodeJS.Timeout | undefined;
  const end = () => clearInterval(timer);
  const beat = () => {
    if (unanswered === most) {
      end();
      silent();
      return;
    }
    unanswered += 1;
    ping();
  };
  return {
    heard() {
      unanswered = 0;
      timer ??= setInterval(beat, everyMs).unref();
    },
    end,
  };
}
