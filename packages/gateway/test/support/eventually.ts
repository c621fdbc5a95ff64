import { setTimeout as sleep } from 'node:timers/promises';

/** Long enough for a busy machine; only a failure takes this long. Milliseconds. */
const PATIENCE_MS = 30_000;
const AGAIN_MS = 20;

/**
 * The result of `look` once it no longer throws. For events in other processes and in databases, which cannot be
 * listened to. Throws its last error.
 */
export async function eventually<T>(look: () => T | Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(AGAIN_MS);
    }
  }
}
