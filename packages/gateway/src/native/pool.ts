import type { Log } from '../observability/log.ts';
import { NativeCrash, NativeJobError, NativePoolClosed, NativeTimeout } from './errors.ts';
import type { ChildMessage, JobMessage } from './protocol.ts';
import { type NativeChild, spawnChild } from './spawn.ts';

/** An idle child ends after this time, because it holds about 100 MB of native libraries. */
const IDLE_MS = 60_000;

/** Runs native code in child processes, so that a crash there costs one job and never the gateway. */
export interface NativePool {
  /**
   * Runs a job module in a child of its own and resolves with what its `run` returns.
   * Rejects with `NativeJobError` (the job threw), `NativeCrash`, `NativeTimeout`, `NativePoolClosed`,
   * or the signal's reason; the last three kill the child, and reject once it is gone.
   */
  run<I, O>(job: URL, input: I, options?: RunOptions): Promise<O>;
  /** Kills every child and rejects every job. */
  close(): Promise<void>;
}

export interface RunOptions {
  /** 0-100. The first call means that a child has taken the job. */
  readonly onProgress?: (percent: number) => void;
  readonly signal?: AbortSignal;
  /** Counted from the moment a child takes the job. */
  readonly timeoutMs?: number;
}

interface Queued extends RunOptions {
  readonly message: JobMessage;
  readonly resolve: (output: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly onAbort: () => void;
}

interface Worker {
  readonly child: NativeChild;
  current: Queued | undefined;
  /** The reason for killing it; undefined if it exits by itself. */
  killedFor: { readonly reason: unknown } | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** A pool of at most `concurrency` children; jobs beyond that wait, first come first served. */
export function createNativePool(options: {
  readonly concurrency: number;
  readonly log?: Pick<Log, 'warn'>;
}): NativePool {
  const workers = new Set<Worker>();
  const queue: Queued[] = [];
  let closed: Promise<void> | undefined;

  function dispatch(): void {
    for (let next = queue.shift(); next; next = queue.shift()) {
      let worker: Worker | undefined;
      try {
        worker = idleWorker() ?? (workers.size < options.concurrency ? startWorker() : undefined);
      } catch (error) {
        // For instance, no memory for another process. Only this job fails.
        next.signal?.removeEventListener('abort', next.onAbort);
        next.reject(error);
        continue;
      }
      if (!worker) {
        queue.unshift(next);
        return;
      }
      give(worker, next);
    }
  }

  function idleWorker(): Worker | undefined {
    return [...workers].find((worker) => !worker.current && !worker.killedFor);
  }

  function startWorker(): Worker {
    const worker: Worker = {
      child: spawnChild(),
      current: undefined,
      killedFor: undefined,
      timer: undefined,
    };
    workers.add(worker);
    const child = worker.child.process;
    child.on('message', (message: ChildMessage) => receive(worker, message));
    // Spawning or sending failed. 'close' follows if the process had started.
    child.on('error', (error) => {
      if (child.pid === undefined) retire(worker, error);
    });
    child.on('close', (code, signal) => {
      const { reason } = worker.killedFor ?? {
        reason: new NativeCrash(code, signal, worker.child.stderr()),
      };
      retire(worker, reason);
    });
    return worker;
  }

  function give(worker: Worker, job: Queued): void {
    clearTimeout(worker.timer);
    worker.current = job;
    worker.child.hold(true);
    if (job.timeoutMs !== undefined) {
      const ms = job.timeoutMs;
      worker.timer = setTimeout(() => kill(worker, new NativeTimeout(ms)), ms);
    }
    // It could not be started. The 'error' event that follows says why.
    if (worker.child.process.pid === undefined) return;
    try {
      worker.child.process.send(job.message, () => {});
    } catch (error) {
      // The input is not serializable, so the child never received the job.
      rest(worker);
      job.reject(error);
      return;
    }
    job.onProgress?.(0);
  }

  function receive(worker: Worker, message: ChildMessage): void {
    const job = worker.current;
    if (!job || worker.killedFor) return;
    if (message.type === 'progress') {
      job.onProgress?.(message.percent);
      return;
    }
    rest(worker);
    if (message.type === 'done') job.resolve(message.output);
    else job.reject(new NativeJobError(message.message, message.stack));
    dispatch();
  }

  function rest(worker: Worker): void {
    finish(worker);
    worker.timer = setTimeout(() => kill(worker, undefined), IDLE_MS);
    worker.timer.unref();
  }

  function finish(worker: Worker): void {
    clearTimeout(worker.timer);
    worker.current?.signal?.removeEventListener('abort', worker.current.onAbort);
    worker.current = undefined;
    worker.child.hold(false);
  }

  function kill(worker: Worker, reason: unknown): void {
    worker.killedFor ??= { reason };
    worker.child.hold(true);
    worker.child.process.kill('SIGKILL');
  }

  function retire(worker: Worker, reason: unknown): void {
    if (!workers.delete(worker)) return;
    const job = worker.current;
    finish(worker);
    if (reason instanceof NativeCrash) {
      options.log?.warn(
        { event: 'native.child_exited', err: reason, stderr: reason.stderr, job: job?.message.job },
        'a native child process exited',
      );
    }
    job?.reject(reason);
    dispatch();
  }

  function abort(job: Queued): void {
    const waiting = queue.indexOf(job);
    if (waiting >= 0) {
      queue.splice(waiting, 1);
      job.reject(job.signal?.reason);
      return;
    }
    const worker = [...workers].find((one) => one.current === job);
    if (worker) kill(worker, job.signal?.reason);
  }

  return {
    run<I, O>(job: URL, input: I, runOptions: RunOptions = {}): Promise<O> {
      if (closed) return Promise.reject(new NativePoolClosed());
      if (runOptions.signal?.aborted) return Promise.reject(runOptions.signal.reason);
      return new Promise<O>((resolve, reject) => {
        const queued: Queued = {
          ...runOptions,
          message: { job: job.href, input },
          // The type of the output depends on the job module that the caller names.
          resolve: (output) => resolve(output as O),
          reject,
          onAbort: () => abort(queued),
        };
        runOptions.signal?.addEventListener('abort', queued.onAbort, { once: true });
        queue.push(queued);
        dispatch();
      });
    },

    close() {
      closed ??= (async () => {
        const reason = new NativePoolClosed();
        for (const job of queue.splice(0)) {
          job.signal?.removeEventListener('abort', job.onAbort);
          job.reject(reason);
        }
        await Promise.all(
          [...workers].map((worker) => {
            const gone = new Promise<void>((resolve) => {
              worker.child.process.once('close', () => resolve());
            });
            kill(worker, reason);
            return gone;
          }),
        );
      })();
      return closed;
    },
  };
}
