interface FairLimitOptions {
  /** Units in use at a time, over all tenants. */
  readonly total: number;
  /** Units in use at a time by one tenant. */
  readonly perTenant: number;
}

export interface FairLimit {
  /**
   * Resolves, with what gives them back, once `units` are free for the tenant: tenants take turns, and none waits for what another has
   * queued. More units than there are count as all of them. Rejects with the reason of an aborted signal.
   */
  acquire(tenant: string, units: number, signal: AbortSignal): Promise<() => void>;
}

interface Waiting {
  readonly units: number;
  readonly grant: () => void;
}

/** Bounds what all tenants together use of something, and what one of them can take from the others. */
export function createFairLimit({ total, perTenant }: FairLimitOptions): FairLimit {
  /** In the order of turns: who was served last comes last. */
  const queues = new Map<string, Set<Waiting>>();
  const usedBy = new Map<string, number>();
  let used = 0;

  function use(tenant: string, units: number): () => void {
    const add = (change: number) => {
      used += change;
      const now = (usedBy.get(tenant) ?? 0) + change;
      if (now === 0) usedBy.delete(tenant);
      else usedBy.set(tenant, now);
    };
    add(units);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      add(-units);
      serve();
    };
  }

  /** Whoever has nothing yet is never held up by the tenant's own bound: it may be smaller than what is asked for. */
  const withinOwn = (tenant: string, units: number): boolean => {
    const own = usedBy.get(tenant) ?? 0;
    return own === 0 || own + units <= perTenant;
  };

  /** Whose turn it is, where there is enough for them. */
  function next(): [string, Waiting] | undefined {
    for (const [tenant, [first]] of queues) {
      if (!first || !withinOwn(tenant, first.units)) continue;
      // What is large must not wait for ever behind what is small: nobody overtakes it.
      return used + first.units <= total ? [tenant, first] : undefined;
    }
    return undefined;
  }

  function serve(): void {
    for (let turn = next(); turn; turn = next()) {
      const [tenant, waiting] = turn;
      const queue = remove(tenant, waiting);
      // To the end of the turns.
      if (queue && queues.delete(tenant)) queues.set(tenant, queue);
      waiting.grant();
    }
  }

  function remove(tenant: string, waiting: Waiting): Set<Waiting> | undefined {
    const queue = queues.get(tenant);
    queue?.delete(waiting);
    if (queue?.size === 0) queues.delete(tenant);
    return queue;
  }

  return {
    acquire(tenant, wanted, signal) {
      const units = Math.min(wanted, total);
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const giveUp = () => {
          remove(tenant, waiting);
          reject(signal.reason);
          serve();
        };
        const waiting: Waiting = {
          units,
          grant() {
            signal.removeEventListener('abort', giveUp);
            resolve(use(tenant, units));
          },
        };
        signal.addEventListener('abort', giveUp, { once: true });
        const queue = queues.get(tenant) ?? new Set();
        queues.set(tenant, queue.add(waiting));
        serve();
      });
    },
  };
}
