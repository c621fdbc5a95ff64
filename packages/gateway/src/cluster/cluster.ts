/** Messages between nodes. A node ignores kinds that it does not know, because two versions run side by side during an upgrade. */
export type Message =
  /** The sender has committed transitions of these tasks, and changed these counters of jobs in flight. */
  | {
      readonly kind: 'moved';
      readonly tasks: readonly (readonly [id: string, version: number])[];
      readonly places?: readonly (readonly [account: string, inFlight: number])[] | undefined;
    }
  /** API keys were created, revoked or restored. */
  | { readonly kind: 'keys' }
  /**
   * Progress of the sender's tasks: percent (null if unknown), and the times in milliseconds until the task is expected to be done and
   * until it is worth while to look again.
   */
  | {
      readonly kind: 'progress';
      readonly tasks: readonly (readonly [
        id: string,
        percent: number | null,
        remainingMs: number,
        queryAgainInMs?: number | undefined,
      ])[];
    }
  /** The sender made `to` the owner of these tasks. */
  | { readonly kind: 'given'; readonly to: string; readonly tasks: readonly string[] }
  /** The sender is leaving, and does not drive tasks that it is given. */
  | { readonly kind: 'leaving' }
  /** The sender found that the database has lost writes that it had confirmed. */
  | { readonly kind: 'went_back' }
  /** An account failed for the sender, or works again (`failures` is 0): no submissions for `waitMs`. */
  | {
      readonly kind: 'account';
      readonly account: string;
      readonly failures: number;
      readonly waitMs: number;
      readonly reason?: string | undefined;
    }
  /** A task of the sender has waited too long for a place of this account: the next one that becomes free is left to it. */
  | { readonly kind: 'waits'; readonly account: string }
  /** The operator wants a blocked account to be tried again. */
  | { readonly kind: 'retry'; readonly account: string }
  /** A webhook call said that a job of this account may have changed. */
  | { readonly kind: 'hint'; readonly account: string; readonly upstreamId: string };

/** What happened to this node's lease. */
export type LeaseEvent =
  /**
   * The lease has ended or cannot be confirmed any more: stop driving at once and trust no cache. Other nodes adopt this node's
   * tasks.
   */
  | 'lost'
  /** This node has a new lease, under a new name. It has missed all messages that were sent in between. */
  | 'joined';

/**
 * The nodes that share a store. A node owns tasks under a name that it has for one lease. A lease that has ended is never resumed.
 */
export interface Cluster {
  /** Whether there can be other nodes. */
  readonly shared: boolean;
  /** The name under which this node owns tasks. It changes with each `joined`. */
  readonly node: string;
  /**
   * Whether the lease is certain to be valid at this moment: no other node drives this node's tasks, and this node has received the
   * messages of the others. Cheap enough for the hottest path.
   */
  hasLease(): boolean;
  /** Names of the living nodes, including this one, in the order of joining. */
  members(): Promise<readonly string[]>;
  /** Sends a message to the nodes that are connected now. It is delivered at most once. Does not wait. */
  broadcast(message: Message): void;
  /** Called with the messages of other nodes. Returns a function that unsubscribes. */
  onMessage(listener: (message: Message, from: string) => void): () => void;
  /** Returns a function that unsubscribes. */
  onLease(listener: (event: LeaseEvent) => void): () => void;
  /** Leaves the cluster. Other nodes adopt the tasks that this node still owns. */
  close(): Promise<void>;
}

/** The cluster of the embedded store: one node, whose lease lasts as long as its process. */
export function soloCluster(node: string): Cluster {
  return {
    shared: false,
    node,
    hasLease: () => true,
    members: async () => [node],
    broadcast: () => undefined,
    onMessage: () => () => undefined,
    onLease: () => () => undefined,
    close: async () => undefined,
  };
}
