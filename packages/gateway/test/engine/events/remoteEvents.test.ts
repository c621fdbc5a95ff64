import { expect, it } from 'vitest';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { connectRemoteEvents } from '../../../src/engine/events/remoteEvents.ts';
import { createManualCluster } from '../../support/manualCluster.ts';

function connected() {
  const cluster = createManualCluster();
  const feed = createFeed();
  const stale: (string | undefined)[] = [];
  let forgotten = 0;
  feed.onInvalidate((id) => stale.push(id));
  const end = connectRemoteEvents(cluster, feed, {
    forgetKeys() {
      forgotten += 1;
    },
  });
  return { cluster, stale, end, forgotten: () => forgotten };
}

it('a task that another node moved is no longer answered from this node’s caches', () => {
  const { cluster, stale, forgotten } = connected();
  cluster.hear({
    kind: 'moved',
    tasks: [
      ['one', 2],
      ['two', 7],
    ],
  });
  expect(stale).toEqual(['one', 'two']);
  expect(forgotten()).toBe(0);
});

it('keys that another node created or revoked are read again', () => {
  const { cluster, stale, forgotten } = connected();
  cluster.hear({ kind: 'keys' });
  expect(forgotten()).toBe(1);
  expect(stale).toEqual([]);
});

it('no other message of nodes touches the caches', () => {
  const { cluster, stale, forgotten } = connected();
  cluster.hear({ kind: 'leaving' });
  cluster.hear({ kind: 'retry', account: 'one' });
  cluster.hear({ kind: 'progress', tasks: [['one', 50, 1000]] });
  expect([stale, forgotten()]).toEqual([[], 0]);
});

it('nothing that was read before a lease was lost, or while there was none, is trusted', () => {
  const { cluster, stale, forgotten } = connected();
  cluster.lose();
  expect([stale, forgotten()]).toEqual([[undefined], 1]);
  cluster.rejoin('node-2');
  expect([stale, forgotten()]).toEqual([[undefined, undefined], 2]);
});

it('no message is handled after the end', () => {
  const { cluster, stale, forgotten, end } = connected();
  end();
  cluster.hear({ kind: 'keys' });
  cluster.hear({ kind: 'moved', tasks: [['one', 2]] });
  cluster.lose();
  expect([stale, forgotten()]).toEqual([[], 0]);
});
