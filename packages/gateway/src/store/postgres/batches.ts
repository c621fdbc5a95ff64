/** Writes that share round trips. */
export interface Batches<Write, Result> {
  /** Queues a write; settles when its batch has come back. */
  add(write: Write): Promise<Result>;
  /** Resolves once nothing is queued or on its way. */
  idle(): Promise<void>;
}

export interface BatchOptions<Write, Result> {
  /** Writes all or none, and resolves with a result for each, in their order. */
  readonly send: (writes: readonly Write[]) => Promise<readonly Result[]>;
  /** Writes of one name go one after the other, in the order they came. */
  readonly nameOf: (write: Write) => string;
  /** Whether an error of a batch may be the fault of one write in it. */
  readonly mayBeOneWrite: (error: unknown) => boolean;
  /** Most writes in a batch. */
  readonly size: number;
  /** Most batches on their way at a time. */
  readonly concurrency: number;
}

interface Queued<Write, Result> {
  readonly write: Write;
  readonly name: string;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit over a network: writes of one turn of the event loop go together, and so do those that come while all
 * batches are on their way. A batch that fails because of one of its writes is halved until that one fails alone.
 */
export function createBatches<Write, Result>(options: BatchOptions<Write, Result>): Batches<Write, Result> {
  type Entry = Queued<Write, Result>;
  let queue: Entry[] = [];
  let scheduled = false;
  let onTheirWay = 0;
  const busy = new Set<string>();
  let whenIdle: (() => void)[] = [];

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      flush();
    });
  }

  /** The next batch; what must wait for a write of its own name stays queued. */
  function take(): Entry[] {
    const batch: Entry[] = [];
    const waiting: Entry[] = [];
    let at = 0;
    for (; at < queue.length && batch.length < options.size; at++) {
      const entry = queue[at];
      if (!entry) break;
      if (busy.has(entry.name)) {
        waiting.push(entry);
      } else {
        busy.add(entry.name);
        batch.push(entry);
      }
    }
    queue = [...waiting, ...queue.slice(at)];
    return batch;
  }

  function flush(): void {
    while (onTheirWay < options.concurrency && queue.length > 0) {
      const batch = take();
      if (batch.length === 0) break;
      onTheirWay += 1;
      void deliver(batch).then(() => {
        onTheirWay -= 1;
        for (const { name } of batch) busy.delete(name);
        if (queue.length > 0) schedule();
        else if (onTheirWay === 0) for (const resolve of whenIdle.splice(0)) resolve();
      });
    }
  }

  async function deliver(batch: readonly Entry[]): Promise<void> {
    try {
      const results = await options.send(batch.map(({ write }) => write));
      if (results.length !== batch.length) throw new Error('a batch came back with results missing');
      for (const [index, result] of results.entries()) batch[index]?.resolve(result);
    } catch (error) {
      if (batch.length === 1 || !options.mayBeOneWrite(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      const middle = Math.ceil(batch.length / 2);
      await deliver(batch.slice(0, middle));
      await deliver(batch.slice(middle));
    }
  }

  return {
    add: (write) =>
      new Promise((resolve, reject) => {
        queue.push({ write, name: options.nameOf(write), resolve, reject });
        schedule();
      }),
    idle: () =>
      new Promise((resolve) => {
        if (queue.length === 0 && onTheirWay === 0) resolve();
        else whenIdle = [...whenIdle, resolve];
      }),
  };
}
