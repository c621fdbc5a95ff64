interface FairLimitOptions {
  /** Units in use at a time, over all tenants. */
  readonly total: number;
  /** Units in use at a time by one tenant. */
  readonly perTenant: number;
}

export interface FairLimit {
  /**
   * Resolves with a release function once `units` are free for the tenant. Tenants take turns, so the queue of one does not delay
   * another. A request for more than `total` units takes all of them. Rejects with the reason of an aborted signal.
   */
  acquire(tenant: string, units: number, signal: AbortSignal): Promise<() => void>;
}

interface Waiting {
  readonly units: number;
  readonly grant: () => void;
}

/** Limits the concurrent use of a resource, over all tenants and per tenant. */
export function createFairLimit({ total, perTenant }: FairLimitOptions): FairLimit {
  /** In the order of turns: the tenant served last is at the end. */
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

  /** A tenant that uses nothing is always within its own limit, because one request may be larger than that limit. */
  const withinOwn = (tenant: string, units: number): boolean => {
    const own = usedBy.get(tenant) ?? 0;
    return own === 0 || own + units <= perTenant;
  };

  /** The tenant whose turn it is, if enough units are free. */
  function next(): [string, Waiting] | undefined {
    for (const [tenant, [first]] of queues) {
      if (!first || !withinOwn(tenant, first.units)) continue;
      // Others do not overtake a large request, or smaller ones could delay it forever.
      return used + first.units <= total ? [tenant, first] : undefined;
    }
    return undefined;
  }

  function serve(): void {
    for (let turn = next(); turn; turn = next()) {
      const [tenant, waiting] = turn;
      const queue = remove(tenant, waiting);
      // The tenant goes to the end of the turns.
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
