/** Groups writes into batches, each of which takes one round trip. */
export interface Batches<Write, Result> {
  /** Queues a write. Settles when the response to its batch arrives. */
  add(write: Write): Promise<Result>;
  /** Resolves when nothing is queued or being sent. */
  idle(): Promise<void>;
}

export interface BatchOptions<Write, Result> {
  /** Writes all or none, and resolves with a result for each, in their order. */
  readonly send: (writes: readonly Write[]) => Promise<readonly Result[]>;
  /** Writes with the same name are sent one after the other, in order. */
  readonly nameOf: (write: Write) => string;
  /** Whether one write of the batch may have caused the error. */
  readonly mayBeOneWrite: (error: unknown) => boolean;
  /** Most writes in a batch. */
  readonly size: number;
  /** Most batches in flight. */
  readonly concurrency: number;
}

interface Queued<Write, Result> {
  readonly write: Write;
  readonly name: string;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit over a network: writes of one turn of the event loop are sent together, and so are those that are added while the
 * maximum number of batches is in flight. A batch that fails because of one of its writes is halved until that write fails alone.
 */
export function createBatches<Write, Result>(options: BatchOptions<Write, Result>): Batches<Write, Result> {
  type Entry = Queued<Write, Result>;
  let queue: Entry[] = [];
  let scheduled = false;
  let inFlight = 0;
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

  /** Takes the next batch. A write stays queued while another one with its name is in flight. */
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
    while (inFlight < options.concurrency && queue.length > 0) {
      const batch = take();
      if (batch.length === 0) break;
      inFlight += 1;
      void deliver(batch).then(() => {
        inFlight -= 1;
        for (const { name } of batch) busy.delete(name);
        if (queue.length > 0) schedule();
        else if (inFlight === 0) for (const resolve of whenIdle.splice(0)) resolve();
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
        if (queue.length === 0 && inFlight === 0) resolve();
        else whenIdle = [...whenIdle, resolve];
      }),
  };
}
