/** A read in progress. */
interface PendingRead {
  readonly taskId: string;
  /** False once its result may be outdated. */
  current: boolean;
}

/** Tracks reads in progress, so that a result that became outdated in the meantime is not cached. */
interface PendingReads {
  begin(taskId: string): PendingRead;
  end(read: PendingRead): void;
  /** Marks the reads of a task as outdated, or those of every task if there is no id. */
  outdate(taskId: string | undefined): void;
}

export function createPendingReads(): PendingReads {
  const underWay = new Map<string, Set<PendingRead>>();

  return {
    begin(taskId) {
      const read = { taskId, current: true };
      const ofTask = underWay.get(taskId);
      if (ofTask) ofTask.add(read);
      else underWay.set(taskId, new Set([read]));
      return read;
    },
    end(read) {
      const ofTask = underWay.get(read.taskId);
      ofTask?.delete(read);
      if (ofTask?.size === 0) underWay.delete(read.taskId);
    },
    outdate(taskId) {
      const affected = taskId === undefined ? [...underWay.values()] : [underWay.get(taskId) ?? []];
      for (const ofTask of affected) for (const read of ofTask) read.current = false;
    },
  };
}
