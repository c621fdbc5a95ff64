import type { Cluster, LeaseEvent, Message } from '../../src/cluster/cluster.ts';

/** The other nodes and this node's lease, controlled by the test. */
export interface ManualCluster extends Cluster {
  /** The messages of this node. */
  readonly told: readonly Message[];
  /** The living nodes, in the order of joining. */
  living: readonly string[];
  /** Makes the lease uncertain, or certain again, without an event. */
  freeze(frozen?: boolean): void;
  /** Takes the lease away, with an event. */
  lose(): void;
  /** Gives a new lease, under another name. */
  rejoin(name: string): void;
  /** Another node sends a message. */
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
