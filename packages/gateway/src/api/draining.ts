/** The progress of a graceful stop, for the routes. */
export interface Draining {
  /** True from the moment a stop begins: `/readyz` answers 503, and every answer closes its connection. */
  readonly begun: boolean;
  begin(): void;
  /** Answers held queries and ends event streams. Their clients reconnect, to another node if there is one. */
  release(): void;
  /** Calls `listener` on `release`, or in a microtask if `release` was called before. Returns a function that unsubscribes. */
  onRelease(listener: () => void): () => void;
}

export function createDraining(): Draining {
  const listeners = new Set<() => void>();
  let begun = false;
  let released = false;
  return {
    get begun() {
      return begun;
    },
    begin() {
      begun = true;
    },
    release() {
      begun = true;
      released = true;
      // A copy, because listeners unsubscribe while they run.
      for (const listener of [...listeners]) listener();
    },
    onRelease(listener) {
      // Not called synchronously: the caller has no unsubscriber yet.
      if (released) queueMicrotask(listener);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
