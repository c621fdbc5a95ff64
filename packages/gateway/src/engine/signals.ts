import type { Message } from '../cluster/cluster.ts';
import type { AccountPool } from './accountPool.ts';
import type { ActiveTasks } from './activeTasks.ts';
import type { EngineParts } from './parts.ts';
import type { Poller } from './stages/poller.ts';
import type { Tracker } from './tracking/tracker.ts';

/** What tells this node to look at a task or an account sooner: upstreams, other nodes and operators. */
export interface Signals {
  /** A job of an account may have changed: the node that drives its task polls it. */
  hint(accountId: string, upstreamId: string): void;
  /** Ends the back-off of an account, or of all accounts if there is no id, and polls the tasks whose polls failed. */
  retryAccounts(id?: string): void;
  start(): void;
  stop(): void;
}

type SignalParts = Pick<EngineParts, 'cluster' | 'log'> & {
  readonly pool: AccountPool;
  readonly activeTasks: ActiveTasks;
  readonly poller: Poller;
  readonly tracker: Pick<Tracker, 'told'>;
};

export function createSignals(parts: SignalParts): Signals {
  const { cluster, log, pool, activeTasks, poller, tracker } = parts;
  const unsubscribe: (() => void)[] = [];

  /** False if this node does not drive the task of the job. */
  function pollJob(accountId: string, upstreamId: string): boolean {
    const active = activeTasks.byUpstream(accountId, upstreamId);
    tracker.told(accountId, upstreamId, active);
    if (active) poller.pollSoon(active);
    return active !== undefined;
  }

  function hint(accountId: string, upstreamId: string): void {
    if (!pollJob(accountId, upstreamId)) cluster.broadcast({ kind: 'hint', account: accountId, upstreamId });
  }

  function retryAccounts(id?: string): void {
    for (const [accountId, state] of pool.states) if (id === undefined || id === accountId) state.retry();
    for (const active of [...activeTasks]) {
      const accountId = active.task.attempt?.accountId;
      if (active.pollFailures > 0 && (id === undefined || id === accountId)) poller.pollSoon(active);
    }
  }

  /** Another node wrote a task that this node drives: a cancel request, an upstream id that only that node knew, or its end. */
  function refresh(id: string, version: number): void {
    const active = activeTasks.get(id);
    if (!active || version <= active.task.version) return;
    activeTasks
      .refresh(active)
      .catch((err) =>
        log.error(
          { event: 'task.read_failed', task: id, err },
          'cannot read a task that another node changed',
        ),
      );
  }

  function receive(message: Message): void {
    switch (message.kind) {
      case 'moved':
        for (const [id, version] of message.tasks) refresh(id, version);
        break;
      case 'hint':
        pollJob(message.account, message.upstreamId);
        break;
      case 'retry':
        retryAccounts(message.account);
        break;
      default:
        break;
    }
  }

  return {
    hint,
    retryAccounts,
    start() {
      for (const { account } of pool.states.values()) {
        const stop = account.provider.onHint?.((upstreamId) => hint(account.id, upstreamId));
        if (stop) unsubscribe.push(stop);
      }
      cluster.onMessage(receive);
    },
    stop() {
      for (const stop of unsubscribe) stop();
    },
  };
}
