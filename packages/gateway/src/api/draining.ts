/** How far the gateway is in stopping, for the routes. */
export interface Draining {
  /** True from the first moment of a stop: `/readyz` says no, and every answer is the last of its connection. */
  readonly begun: boolean;
  begin(): void;
  /** Answers the queries that are held and ends the event streams: their clients come back, and to another node. */
  release(): void;
  /** Calls `listener` upon `release`, or soon if that has been. Returns the unsubscriber. */
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
      // A copy: listeners unsubscribe while they run.
      for (const listener of [...listeners]) listener();
    },
    onRelease(listener) {
      // Who comes too late to be told is told now, but not before this returns.
      if (released) queueMicrotask(listener);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
