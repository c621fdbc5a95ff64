import type { Dispatcher } from 'undici';
import { type Moment, msBetween, systemClock } from '../../time/clock.ts';

/** The upstream's own clock, as its answers show it. */
export interface UpstreamClock {
  /**
   * Milliseconds UTC by the upstream's clock, at most a second behind it. If no answer of the last day showed it, this asks the
   * upstream first. Undefined if the upstream does not answer, or not with its time. Never rejects.
   */
  now(): Promise<number | undefined>;
  /** Reads the `Date` header of every answer from `origin`. */
  readonly listen: Dispatcher.DispatcherComposeInterceptor;
}

/** How long a reading counts: monotonic clocks drift apart too, by seconds a day. Milliseconds. */
const LASTS_MS = 24 * 3_600_000;
/** Pause before an upstream that did not tell its time is asked again, because submissions wait for the answer. Milliseconds. */
const ASK_AGAIN_MS = 10_000;

/** `ask` sends any request through `listen`. This node's wall clock is not used, because it may be set meanwhile. */
export function createUpstreamClock(
  origin: string,
  ask: () => Promise<unknown>,
  { monotonic } = systemClock,
): UpstreamClock {
  let shown: { readonly time: number; readonly at: Moment } | undefined;
  let asked: { readonly at: Moment; readonly over: Promise<unknown> } | undefined;

  function current(): number | undefined {
    if (!shown) return undefined;
    const age = msBetween(shown.at, monotonic());
    return age > LASTS_MS ? undefined : shown.time + age;
  }

  return {
    async now() {
      const known = current();
      if (known !== undefined) return known;
      if (!asked || msBetween(asked.at, monotonic()) >= ASK_AGAIN_MS) {
        asked = { at: monotonic(), over: ask().catch(() => undefined) };
      }
      await asked.over;
      return current();
    },
    listen: (dispatch) => (options, handler) =>
      dispatch(options, {
        onRequestStart: (...given) => handler.onRequestStart?.(...given),
        onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
        onResponseStart(controller, status, headers, text) {
          // Results may be on another host, which has another clock.
          const time = options.origin === origin ? Date.parse(String(headers.date)) : Number.NaN;
          if (!Number.isNaN(time)) shown = { time, at: monotonic() };
          handler.onResponseStart?.(controller, status, headers, text);
        },
        onResponseData: (...given) => handler.onResponseData?.(...given),
        onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
        onResponseError: (...given) => handler.onResponseError?.(...given),
      }),
  };
}
