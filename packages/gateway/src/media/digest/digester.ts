import { Worker } from 'node:worker_threads';
import type { Order, Result } from './protocol.ts';

/** Computes digests of local files in a thread of its own, so that the event loop does neither read nor hash them. */
export interface Digester {
  /** Hex SHA-256 of a file. */
  digest(path: string): Promise<string>;
  /** Begins with a file that is being written. It is read from the cache of the system, soon after each write. */
  follow(path: string): FollowedFile;
  /** Ends the thread. What waits for a digest fails. */
  close(): Promise<void>;
}

/** A file that is hashed while it is written. */
export interface FollowedFile {
  /** So many bytes of it are written, and will not change any more. */
  written(length: number): void;
  /** Hex SHA-256 of the first `length` bytes. */
  finish(length: number): Promise<string>;
  /** For a file whose digest is not wanted any more. Changes nothing once it has finished. */
  drop(): void;
}

/** The thread takes a few megabytes, and a few milliseconds to start. It ends when it was idle for this long. Milliseconds. */
const IDLE_MS = 10_000;
/** Bytes written between two messages to the thread. */
const STEP_BYTES = 2 ** 20;

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, PromiseWithResolvers<string>>;
  /** The files that it knows. */
  readonly files: Set<number>;
  idle: NodeJS.Timeout | undefined;
}

export function createDigester({ idleMs = IDLE_MS } = {}): Digester {
  let thread: Thread | undefined;
  let closed: Error | undefined;
  let last = 0;

  function running(): Thread {
    if (closed) throw closed;
    thread ??= start();
    clearTimeout(thread.idle);
    return thread;
  }

  function start(): Thread {
    // Neither the arguments of Node nor the environment, with its keys, are of use there.
    const worker = new Worker(new URL('./thread.ts', import.meta.url), { execArgv: [], env: {} });
    const started: Thread = { worker, waiting: new Map(), files: new Set(), idle: undefined };
    worker.unref();
    worker.on('message', (result: Result) => {
      const { id } = result;
      const waiting = started.waiting.get(id);
      if ('error' in result) waiting?.reject(Object.assign(new Error(result.error.message), result.error));
      else waiting?.resolve(result.sha256);
      rest(started, id);
    });
    const fail = (error: Error) => {
      if (thread === started) thread = undefined;
      clearTimeout(started.idle);
      for (const { reject } of started.waiting.values()) reject(error);
      started.waiting.clear();
    };
    worker.on('error', (cause) => fail(new Error('the thread that hashes files failed', { cause })));
    worker.on('exit', () => fail(closed ?? new Error('the thread that hashes files ended')));
    return started;
  }

  /** Nothing is wanted of the file any more. */
  function rest(of: Thread, id: number): void {
    of.waiting.delete(id);
    of.files.delete(id);
    if (of.waiting.size === 0) of.worker.unref();
    if (of.files.size > 0) return;
    of.idle = setTimeout(() => {
      if (thread === of) thread = undefined;
      void of.worker.terminate();
    }, idleMs);
    of.idle.unref();
  }

  function follow(path: string): FollowedFile {
    const id = ++last;
    let told = 0;
    let of: Thread | undefined;
    function send(order: Order): Thread {
      of ??= running();
      // A new thread would not know what was written.
      if (of !== thread) throw closed ?? new Error('the thread that hashes files ended');
      clearTimeout(of.idle);
      of.files.add(id);
      of.worker.postMessage(order);
      return of;
    }
    return {
      written(length) {
        if (length - told < STEP_BYTES || (of && of !== thread)) return;
        told = length;
        send({ type: 'written', id, path, length });
      },
      async finish(length) {
        const { worker, waiting } = send({
          type: 'finish',
          id,
          path,
          length: Number.isFinite(length) ? length : undefined,
        });
        const result = Promise.withResolvers<string>();
        waiting.set(id, result);
        worker.ref();
        return result.promise;
      },
      drop() {
        if (!of?.files.has(id) || of !== thread || of.waiting.has(id)) return;
        send({ type: 'drop', id });
        rest(of, id);
      },
    };
  }

  return {
    digest: (path) => follow(path).finish(Number.POSITIVE_INFINITY),
    follow,
    async close() {
      closed = new Error('the digester is closed');
      await thread?.worker.terminate();
    },
  };
}
