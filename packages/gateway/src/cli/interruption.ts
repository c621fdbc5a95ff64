import { constants } from 'node:os';

/** The process was asked to end. */
export class Interrupted extends Error {
  /** The exit code that a shell shows for a process that a signal ended. */
  readonly exitCode: number;
  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** For programs that start processes or create folders: they clean up before they end. */
export interface Interruption {
  /** Aborts when the process is asked to end; the reason is an `Interrupted`. */
  readonly signal: AbortSignal;
  /** Resolves as `work` does, or rejects with `Interrupted` as soon as the process is asked to end. */
  within<T>(work: Promise<T>): Promise<T>;
}

/** From here on the first signal does not end the process by itself; the second one does. */
export function catchInterruption(): Interruption {
  const interrupted = new AbortController();
  const { signal } = interrupted;
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const listeners = signals.map((name) => {
    const onSignal = (): void => {
      // Ctrl-C reaches a process twice, from the terminal and from npm, but counts once.
      setTimeout(() => {
        for (const [each, listener] of listeners) process.off(each, listener);
      }, 1000).unref();
      interrupted.abort(new Interrupted(name));
    };
    process.on(name, onSignal);
    return [name, onSignal] as const;
  });

  return {
    signal,
    within: (work) =>
      new Promise((resolve, reject) => {
        const onAbort = () => reject(signal.reason);
        if (signal.aborted) onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
      }),
  };
}
