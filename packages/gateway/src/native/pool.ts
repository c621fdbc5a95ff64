import type { Log } from '../observability/log.ts';
import { NativeCrash, NativePoolClosed } from './errors.ts';
import { createWorker, type Job, type Worker } from './worker.ts';

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

/** A pool of at most `concurrency` children; jobs beyond that wait, first come first served. */
export function createNativePool(options: {
  readonly concurrency: number;
  readonly log?: Pick<Log, 'warn'>;
}): NativePool {
  const workers = new Set<Worker>();
  const queue: Job[] = [];
  let closed: Promise<void> | undefined;

  function dispatch(): void {
    for (let next = queue.shift(); next; next = queue.shift()) {
      let worker: Worker | undefined;
      try {
        worker = idleWorker() ?? (workers.size < options.concurrency ? startWorker() : undefined);
      } catch (error) {
        // For instance, no memory for another process. Only this job fails.
        next.reject(error);
        continue;
      }
      if (!worker) {
        queue.unshift(next);
        return;
      }
      worker.run(next);
    }
  }

  function idleWorker(): Worker | undefined {
    return [...workers].find((worker) => worker.isIdle);
  }

  function startWorker(): Worker {
    const worker = createWorker({
      onFree: dispatch,
      onGone(reason, job) {
        workers.delete(worker);
        if (reason instanceof NativeCrash) {
          options.log?.warn(
            { event: 'native.child_exited', err: reason, stderr: reason.stderr, job: job?.message.job },
            'a native child process exited',
          );
        }
        job?.reject(reason);
        dispatch();
      },
    });
    workers.add(worker);
    return worker;
  }

  function abort(job: Job, reason: unknown): void {
    const waiting = queue.indexOf(job);
    if (waiting >= 0) {
      queue.splice(waiting, 1);
      job.reject(reason);
      return;
    }
    [...workers].find((worker) => worker.job === job)?.kill(reason);
  }

  return {
    run<I, O>(job: URL, input: I, { signal, ...runOptions }: RunOptions = {}): Promise<O> {
      if (closed) return Promise.reject(new NativePoolClosed());
      if (signal?.aborted) return Promise.reject(signal.reason);
      return new Promise<O>((resolve, reject) => {
        const queued: Job = {
          ...runOptions,
          message: { job: job.href, input },
          // The type of the output depends on the job module that the caller names.
          resolve: (output) => settle(() => resolve(output as O)),
          reject: (reason) => settle(() => reject(reason)),
        };
        const onAbort = () => abort(queued, signal?.reason);
        const settle = (how: () => void) => {
          signal?.removeEventListener('abort', onAbort);
          how();
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        queue.push(queued);
        dispatch();
      });
    },

    close() {
      closed ??= (async () => {
        const reason = new NativePoolClosed();
        for (const job of queue.splice(0)) job.reject(reason);
        await Promise.all(
          [...workers].map((worker) => {
            worker.kill(reason);
            return worker.gone;
          }),
        );
      })();
      return closed;
    },
  };
}
