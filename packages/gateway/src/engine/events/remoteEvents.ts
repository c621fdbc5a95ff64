import type { Cluster } from '../../cluster/cluster.ts';
import type { Feed } from './feed.ts';

/** Brings what other nodes change into this node's feed and caches. Returns what ends it. */
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
  // While the session is lost nothing is told, so nothing is kept. Once joined again the node hears of all that comes;
  // whatever came in between is found by reading again what anybody waits for.
  const stopSession = cluster.onLease(() => {
    forgetKeys();
    feed.invalidateAll();
  });
  return () => {
    stopMessages();
    stopSession();
  };
}
