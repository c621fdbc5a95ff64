import { NativeCrash, NativeJobError, NativeTimeout } from './errors.ts';
import type { ChildMessage, JobMessage } from './protocol.ts';
import { spawnChild } from './spawn.ts';

/** An idle child ends after this time, because it holds about 100 MB of native libraries. */
const IDLE_MS = 60_000;

export interface Job {
  readonly message: JobMessage;
  /** 0-100. The first call means that a child has taken the job. */
  readonly onProgress?: (percent: number) => void;
  /** Counted from the moment a child takes the job. */
  readonly timeoutMs?: number;
  readonly resolve: (output: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** A child process that runs one job at a time. */
export interface Worker {
  /** Whether it can take a job. */
  readonly isIdle: boolean;
  readonly job: Job | undefined;
  /** Resolves once the process is gone. */
  readonly gone: Promise<void>;
  run(job: Job): void;
  /** Kills the process. Its job is rejected with `reason` once it is gone. */
  kill(reason: unknown): void;
}

interface WorkerParts {
  /** Called after a job was settled: the worker can take another one. */
  readonly onFree: () => void;
  /** Called once, when the process is gone, with the job that it had. */
  readonly onGone: (reason: unknown, job: Job | undefined) => void;
}

/** Starts a child process. Throws if the process cannot be created. */
export function createWorker({ onFree, onGone }: WorkerParts): Worker {
  const child = spawnChild();
  const { process } = child;
  const { promise: gone, resolve: resolveGone } = Promise.withResolvers<void>();
  let job: Job | undefined;
  /** The reason for killing it; undefined if it exits by itself. */
  let killedFor: { readonly reason: unknown } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isGone = false;

  process.on('message', receive);
  // Spawning or sending failed. 'close' follows if the process had started.
  process.on('error', (error) => {
    if (process.pid === undefined) retire(error);
  });
  process.on('close', (code, signal) => {
    const { reason } = killedFor ?? { reason: new NativeCrash(code, signal, child.stderr()) };
    retire(reason);
  });

  function receive(message: ChildMessage): void {
    if (!job || killedFor) return;
    if (message.type === 'progress') {
      job.onProgress?.(message.percent);
      return;
    }
    const { resolve, reject } = job;
    rest();
    if (message.type === 'done') resolve(message.output);
    else reject(new NativeJobError(message.message, message));
    onFree();
  }

  function rest(): void {
    finish();
    timer = setTimeout(() => kill(undefined), IDLE_MS);
    timer.unref();
  }

  function finish(): void {
    clearTimeout(timer);
    job = undefined;
    child.hold(false);
  }

  function kill(reason: unknown): void {
    killedFor ??= { reason };
    child.hold(true);
    process.kill('SIGKILL');
  }

  function retire(reason: unknown): void {
    if (isGone) return;
    isGone = true;
    const last = job;
    finish();
    onGone(reason, last);
    resolveGone();
  }

  return {
    get isIdle() {
      return job === undefined && killedFor === undefined;
    },
    get job() {
      return job;
    },
    gone,
    run(given) {
      clearTimeout(timer);
      job = given;
      child.hold(true);
      if (given.timeoutMs !== undefined) {
        const ms = given.timeoutMs;
        timer = setTimeout(() => kill(new NativeTimeout(ms)), ms);
      }
      // It could not be started. The 'error' event that follows says why.
      if (process.pid === undefined) return;
      try {
        process.send(given.message, () => {});
      } catch (error) {
        // The input is not serializable, so the child never received the job.
        rest();
        given.reject(error);
        return;
      }
      given.onProgress?.(0);
    },
    kill,
  };
}
