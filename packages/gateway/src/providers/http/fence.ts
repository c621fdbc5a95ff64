import { AsyncLocalStorage } from 'node:async_hooks';
import type { Dispatcher } from 'undici';

/** What the requests of the work under way depend on, beside what the fence itself asks. */
const conditions = new AsyncLocalStorage<() => boolean>();

/**
 * Runs `work`, whose requests leave only while `maySend` is true: a submission that has waited for its turn, through the end of a
 * session and into the next, is no longer this node's to make.
 */
export const sendOnlyWhile = <T>(maySend: () => boolean, work: () => Promise<T>): Promise<T> =>
  conditions.run(maySend, work);

/**
 * Lets no byte of a request out once `maySend` is false, at the last moment before it would go: between a decision to send and a
 * free connection the whole process may have stood still, and another node may have taken its tasks over.
 */
export function createFence(maySend: () => boolean): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    // Here, since a connection that falls free calls back in the name of whoever had it before.
    const stillMaySend = conditions.getStore() ?? (() => true);
    return dispatch(options, {
      onRequestStart(controller, context) {
        handler.onRequestStart?.(controller, context);
        if (!maySend() || !stillMaySend())
          controller.abort(new Error('this node may no longer speak for its tasks'));
      },
      onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
      onResponseStart: (...given) => handler.onResponseStart?.(...given),
      onResponseData: (...given) => handler.onResponseData?.(...given),
      onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
      onResponseError: (...given) => handler.onResponseError?.(...given),
    });
  };
}
