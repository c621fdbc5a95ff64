import type { Dispatcher } from 'undici';
import { type MaySend, SendRefused } from '../provider.ts';

/**
 * Lets no byte of a request out once `maySend` is false, at the last moment before it would go: between a decision to send and a
 * free connection the whole process may have stood still, and another node may have taken its tasks over. The request fails with
 * `SendRefused`. The condition belongs to the dispatcher that is made here and to nothing else: what a request happens to set in
 * motion (a timer, a pool, a listener) does not inherit it.
 */
export function createFence(maySend: MaySend): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart(controller, context) {
        handler.onRequestStart?.(controller, context);
        if (!maySend()) controller.abort(new SendRefused());
      },
      onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
      onResponseStart: (...given) => handler.onResponseStart?.(...given),
      onResponseData: (...given) => handler.onResponseData?.(...given),
      onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
      onResponseError: (...given) => handler.onResponseError?.(...given),
    });
}
