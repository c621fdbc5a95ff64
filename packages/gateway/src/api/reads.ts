/** A read under way. */
interface Read {
  readonly taskId: string;
  /** False once what it reads may be out of date. */
  current: boolean;
}

/** Reads under way, so that what becomes out of date meanwhile is not kept. */
interface Reads {
  begin(taskId: string): Read;
  end(read: Read): void;
  /** Of every task where there is no id. */
  outdate(taskId: string | undefined): void;
}

export function createReads(): Reads {
  const underWay = new Map<string, Set<Read>>();

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
