import type { OwnershipStore, TaskStore } from '../store/store.ts';
import type { Task } from '../tasks/task.ts';
import type { Cluster } from './cluster.ts';

/** Keeps tasks from nodes that are about to leave: they live yet, and drive nothing that they are given. */
export interface Handover {
  /** Tells the others that this node leaves. */
  announce(): void;
  heard(from: string): void;
  /** Those of the members that stay. */
  staying(members: readonly string[]): readonly string[];
  /** Those that stay beside this one. */
  others(): Promise<readonly string[]>;
  /** Tasks that somebody gave to this node, not having heard that it leaves: they go on, instead of waiting until it has left. */
  passOn(taskIds: readonly string[]): Promise<void>;
  /** Gives what was accepted or adopted too late to be driven here, and what moved while it was given. Resolves with how many went. */
  transferRest(): Promise<number>;
}

interface HandoverParts {
  readonly store: OwnershipStore & Pick<TaskStore, 'tasks'>;
  readonly cluster: Cluster;
  /** Whether a task is in this node's hands, or on its way into them or out of them. */
  readonly isDriven: (taskId: string) => boolean;
}

/** Tasks looked through at a time. */
const BATCH = 500;

export function createHandover({ store, cluster, isDriven }: HandoverParts): Handover {
  const leaving = new Set<string>();

  function staying(members: readonly string[]): readonly string[] {
    // Names of nodes that have left never come back.
    for (const name of leaving) if (!members.includes(name)) leaving.delete(name);
    return members.filter((member) => !leaving.has(member));
  }

  const others = async () => staying(await cluster.members()).filter((member) => member !== cluster.node);
  const announce = () => cluster.broadcast({ kind: 'leaving' });

  /** To all alike. */
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
    heard: (from) => void leaving.add(from),
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
