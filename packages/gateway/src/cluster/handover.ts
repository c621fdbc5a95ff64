import type { OwnershipStore, TaskStore } from '../store/store.ts';
import type { Task } from '../tasks/task.ts';
import type { Cluster } from './cluster.ts';

/** Keeps tasks away from nodes that are leaving. They are still members, but do not drive tasks that they are given. */
export interface Handover {
  /** Tells the other nodes that this one is leaving. */
  announce(): void;
  /** Another node has announced that it is leaving. */
  received(from: string): void;
  /** The members that are not leaving. */
  staying(members: readonly string[]): readonly string[];
  /** The members that are not leaving, without this node. */
  others(): Promise<readonly string[]>;
  /**
   * Passes on tasks that another node gave to this one before it knew that this one is leaving. Otherwise they would wait until this
   * node has left.
   */
  passOn(taskIds: readonly string[]): Promise<void>;
  /**
   * Transfers tasks that were accepted or adopted too late to be driven here, or that changed while they were transferred. Resolves
   * with their number.
   */
  transferRest(): Promise<number>;
}

interface HandoverParts {
  readonly store: OwnershipStore & Pick<TaskStore, 'tasks'>;
  readonly cluster: Cluster;
  /** Whether this node drives the task, or is about to start or to stop driving it. */
  readonly isDriven: (taskId: string) => boolean;
}

/** Tasks read at a time. */
const BATCH = 500;

export function createHandover({ store, cluster, isDriven }: HandoverParts): Handover {
  /** Names are never reused, so nothing is ever removed. */
  const leaving = new Set<string>();

  const staying = (members: readonly string[]) => members.filter((member) => !leaving.has(member));
  const others = async () => staying(await cluster.members()).filter((member) => member !== cluster.node);
  const announce = () => cluster.broadcast({ kind: 'leaving' });

  /** Divides the tasks evenly between the nodes. */
  async function transferTo(tasks: readonly Task[], to: readonly string[]): Promise<number> {
    let given = 0;
    for (const [index, node] of to.entries()) {
      const part = tasks.filter((_task, place) => place % to.length === index);
      if (part.length > 0) given += (await store.transfer(cluster.node, node, part)).length;
    }
    return given;
  }

  return {
    announce,
    received: (from) => void leaving.add(from),
    staying,
    others,
    async passOn(taskIds) {
      announce();
      await transferTo(await store.tasks(taskIds), await others());
    },
    async transferRest() {
      const to = await others();
      let given = 0;
      for (let after: string | undefined, found = BATCH; found === BATCH && to.length > 0; ) {
        const owned = await store.owned(cluster.node, BATCH, after);
        found = owned.length;
        after = owned.at(-1)?.id;
        given += await transferTo(
          owned.filter(({ id }) => !isDriven(id)),
          to,
        );
      }
      return given;
    },
  };
}
