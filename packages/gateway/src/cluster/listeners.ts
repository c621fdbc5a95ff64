import type { Log } from '../observability/log.ts';

/** The listeners to one event of the cluster. */
export interface Listeners<Args extends unknown[]> {
  /** Returns the unsubscriber. */
  add(listener: (...args: Args) => void): () => void;
  /** Calls every listener. One that throws is logged and does not keep the others from being called. */
  emit(...args: Args): void;
}

export function createListeners<Args extends unknown[]>(log: Log): Listeners<Args> {
  const listeners = new Set<(...args: Args) => void>();
  return {
    add(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    emit(...args) {
      for (const listener of [...listeners]) {
        try {
          listener(...args);
        } catch (error) {
          log.error({ event: 'cluster.listener_failed', err: error }, 'a listener to cluster messages threw');
        }
      }
    },
  };
}
