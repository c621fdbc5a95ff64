import { UpstreamError } from '../provider.ts';

/** Settles as the promise does, or rejects with an `UpstreamError` as soon as the caller gives up. Not for a call that may create a job. */
export function unlessGivenUp<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () =>
      reject(
        new UpstreamError('upstream_timeout', {
          created: 'no',
          detail: 'given up before its turn',
          cause: signal.reason,
        }),
      );
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
