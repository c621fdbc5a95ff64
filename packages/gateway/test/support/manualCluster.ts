import type { Cluster, LeaseEvent, Message } from '../../src/cluster/cluster.ts';

/** The other nodes and this node's lease, in the test's hands: nothing is lost, told or heard until it says so. */
export interface ManualCluster extends Cluster {
  /** What this node has told the others. */
  readonly told: readonly Message[];
  /** Who lives, in the order of joining. */
  living: readonly string[];
  /** The lease cannot be proved at this moment, or can again; nobody is told. */
  freeze(frozen?: boolean): void;
  /** The lease is lost, and the node is told. */
  lose(): void;
  /** A new lease, under another name. */
  rejoin(name: string): void;
  /** Another node says something. */
  hear(message: Message, from?: string): void;
}

export function createManualCluster(name = 'node-1'): ManualCluster {
  const told: Message[] = [];
  const messages = new Set<(message: Message, from: string) => void>();
  const leases = new Set<(event: LeaseEvent) => void>();
  let node = name;
  let held = true;
  const happens = (event: LeaseEvent) => {
    for (const listener of [...leases]) listener(event);
  };
  return {
    shared: true,
    told,
    living: [name],
    get node() {
      return node;
    },
    hasLease: () => held,
    async members() {
      return this.living;
    },
    broadcast: (message) => void told.push(message),
    onMessage(listener) {
      messages.add(listener);
      return () => messages.delete(listener);
    },
    onLease(listener) {
      leases.add(listener);
      return () => leases.delete(listener);
    },
    close: async () => undefined,
    freeze(frozen = true) {
      held = !frozen;
    },
    lose() {
      held = false;
      happens('lost');
    },
    rejoin(next) {
      this.living = this.living.map((living) => (living === node ? next : living));
      node = next;
      held = true;
      happens('joined');
    },
    hear(message, from = 'another') {
      for (const listener of [...messages]) listener(message, from);
    },
  };
}
