import type { Dispatcher } from 'undici';
import { type MaySend, SendRefused } from '../provider.ts';

/**
 * Sends no byte of a request if `maySend` is false. It is called at the last moment before the first byte: while the request
 * waited for a free connection, the process may have been frozen and another node may have adopted its tasks. The request fails
 * with `SendRefused`. The condition is part of the dispatcher that is composed here, so timers, pools and listeners that a
 * request starts do not inherit it.
 */
export function createLeaseGuard(maySend: MaySend): Dispatcher.DispatcherComposeInterceptor {
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
