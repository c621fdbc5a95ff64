import { promptKey } from '../../tasks/likeness.ts';
import type { Task } from '../../tasks/task.ts';

/**
 * Keeps identical submissions apart. A lost submission is searched in the upstream's list by its request. A duplicate whose
 * response is still outstanding looks the same there and must not be mistaken for it.
 */
export interface DuplicateGuard {
  /** Runs a submission, from the call until its upstream id is stored. Duplicates may run concurrently. */
  submitting<T>(likeness: string, work: () => Promise<T>): Promise<T>;
  /** Runs a search, and what follows from it, while no duplicate is being submitted. */
  searching<T>(likeness: string, work: () => Promise<T>): Promise<T>;
}

interface Group {
  readonly submissions: Set<Promise<unknown>>;
  /** The last queued search. Searches run one at a time. */
  search: Promise<unknown> | undefined;
}

export function createDuplicateGuard(): DuplicateGuard {
  const groups = new Map<string, Group>();

  function groupOf(likeness: string): Group {
    let group = groups.get(likeness);
    if (!group) {
      group = { submissions: new Set(), search: undefined };
      groups.set(likeness, group);
    }
    return group;
  }

  function forget(likeness: string, group: Group): void {
    if (group.submissions.size === 0 && !group.search && groups.get(likeness) === group)
      groups.delete(likeness);
  }

  return {
    async submitting(likeness, work) {
      let group = groupOf(likeness);
      while (group.search) {
        await group.search;
        // The search may have removed the group when it ended; a later search would not see a submission in the old one.
        group = groupOf(likeness);
      }
      const running = work();
      const settled = running.catch(() => undefined);
      group.submissions.add(settled);
      try {
        return await running;
      } finally {
        group.submissions.delete(settled);
        forget(likeness, group);
      }
    },
    searching(likeness, work) {
      const group = groupOf(likeness);
      const before = group.search;
      const running = (async () => {
        await before;
        await Promise.all(group.submissions);
        return work();
      })();
      const settled = running
        .catch(() => undefined)
        .finally(() => {
          if (group.search === settled) group.search = undefined;
          forget(likeness, group);
        });
      group.search = settled;
      return running;
    },
  };
}

/** The key by which a lost submission is searched: two tasks with the same key cannot be told apart in a list. */
export const likenessOf = ({ attempt, request }: Task): string =>
  JSON.stringify([attempt?.accountId, attempt?.upstreamModel, promptKey(request.prompt)]);
