/** What nodes tell each other. Kinds that a node does not know are passed over: versions run side by side in an upgrade. */
export type Message =
  /** Commits of the sender moved these tasks. */
  | { readonly kind: 'moved'; readonly tasks: readonly (readonly [id: string, version: number])[] }
  /** Keys were made or revoked. */
  | { readonly kind: 'keys' }
  /** How far tasks of the sender are: percent (null where unknown) and milliseconds still expected. */
  | {
      readonly kind: 'progress';
      readonly tasks: readonly (readonly [id: string, percent: number | null, remainingMs: number])[];
    }
  /** The sender made `to` the owner of these tasks. */
  | { readonly kind: 'given'; readonly to: string; readonly tasks: readonly string[] }
  /** The sender is about to leave, and drives nothing that it is given. */
  | { readonly kind: 'leaving' }
  /** The sender has found that the database lost what it had confirmed. */
  | { readonly kind: 'went_back' }
  /** An account refused the sender, or works again (`failures` 0): no submits for `waitMs`. */
  | {
      readonly kind: 'account';
      readonly account: string;
      readonly failures: number;
      readonly waitMs: number;
      readonly reason?: string | undefined;
    }
  /** The operator wants an account tried again that is left alone. */
  | { readonly kind: 'retry'; readonly account: string }
  /** Shares of this account are wanted or given back: look at them now. */
  | { readonly kind: 'shares'; readonly account: string }
  /** A callback said that a job of an account may have changed. */
  | { readonly kind: 'hint'; readonly account: string; readonly upstreamId: string };

/** What may happen to a node's session with the others. */
export type LeaseEvent =
  /** It is over, or can no longer be proved: stop driving at once, trust no cache. Others adopt what this node owned. */
  | 'lost'
  /** A new one was opened, under a new name: whatever happened in between was not told. */
  | 'joined';

/**
 * The nodes that share a store. A node owns tasks under a name that is its own for one session; a session that ended
 * never comes back.
 */
export interface Cluster {
  /** Whether there may be other nodes at all. */
  readonly shared: boolean;
  /** The name this node owns tasks under; another one after each `joined`. */
  readonly node: string;
  /**
   * Whether the session is known to hold at this very moment: nobody else drives what this node owns, and what others
   * changed has been told. Cheap enough for the hottest path.
   */
  hasLease(): boolean;
  /** Names of the nodes that live, this one included, in the order of joining. */
  members(): Promise<readonly string[]>;
  /** Tells the others; at most once, and to those alone that are there now. Never waits. */
  broadcast(message: Message): void;
  /** What others told. Returns the unsubscriber. */
  onMessage(listener: (message: Message, from: string) => void): () => void;
  /** Returns the unsubscriber. */
  onLease(listener: (event: LeaseEvent) => void): () => void;
  /** Leaves: what this node still owns is adopted by others. */
  close(): Promise<void>;
}

/** The embedded store's: one node, which lives as long as its process. */
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
