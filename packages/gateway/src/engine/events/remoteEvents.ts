import type { Cluster } from '../../cluster/cluster.ts';
import type { Feed } from './feed.ts';

/** Forwards changes of other nodes to this node's feed and caches. Returns a function that disconnects. */
export function connectRemoteEvents(
  cluster: Pick<Cluster, 'onMessage' | 'onLease'>,
  feed: Feed,
  { forgetKeys }: { forgetKeys(): void },
): () => void {
  const stopMessages = cluster.onMessage((message) => {
    switch (message.kind) {
      case 'moved':
        feed.changedRemotely(message.tasks.map(([id]) => id));
        return;
      case 'keys':
        forgetKeys();
    }
  });
  // Without a lease this node receives no messages, so nothing may stay cached. After the lease is back, changes from the
  // gap are found by reading every task that somebody waits for again.
  const stopSession = cluster.onLease(() => {
    forgetKeys();
    feed.invalidateAll();
  });
  return () => {
    stopMessages();
    stopSession();
  };
}
