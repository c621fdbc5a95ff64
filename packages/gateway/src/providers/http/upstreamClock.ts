import type { Dispatcher } from 'undici';
import { type Clock, type Moment, type MonotonicClock, msBetween } from '../../time/clock.ts';
import { DOUBT_MS } from '../search/judge.ts';

/** The upstream's own clock, as its answers show it. */
export interface UpstreamClock {
  /**
   * Milliseconds UTC by the upstream's clock, at most a second behind it. If no answer of the last day showed it, this asks the
   * upstream first. Undefined if its answer has no time that can be believed. Rejects if it does not answer at all.
   */
  now(): Promise<number | undefined>;
  /** Reads the `Date` header of every answer from `origin`. */
  readonly listen: Dispatcher.DispatcherComposeInterceptor;
}

/** How long a reading counts: monotonic clocks drift apart too, by seconds a day. Milliseconds. */
const LASTS_MS = 24 * 3_600_000;
/** Pause before an upstream that answered without its time is asked again, because submissions wait for the answer. Milliseconds. */
const ASK_AGAIN_MS = 60_000;

/**
 * `ask` sends any request through `listen`. A reading is counted on by the monotonic clock, because the wall clock may be set. A `Date` that
 * is far from the wall clock is not believed: one of the two is wrong, and by a wrong time a job could be taken for too old to be the lost one.
 */
export function createUpstreamClock(
  origin: string | undefined,
  ask: () => Promise<unknown>,
  clock: Clock & MonotonicClock,
): UpstreamClock {
  let shown: { readonly time: number; readonly at: Moment } | undefined;
  let asked: { readonly at: Moment; readonly over: Promise<unknown> } | undefined;
  let answers = 0;

  function current(): number | undefined {
    if (!shown) return undefined;
    const age = msBetween(shown.at, clock.monotonic());
    return age > LASTS_MS ? undefined : shown.time + age;
  }

  return {
    async now() {
      const known = current();
      if (known !== undefined) return known;
      if (!asked || msBetween(asked.at, clock.monotonic()) >= ASK_AGAIN_MS) {
        const before = answers;
        const over = ask().catch((error: unknown) => {
          // An error of the upstream is an answer too. Without one, nobody has seen whether it tells its time.
          if (answers > before) return;
          asked = undefined;
          throw error;
        });
        asked = { at: clock.monotonic(), over };
      }
      await asked.over;
      return current();
    },
    listen: (dispatch) => (options, handler) =>
      dispatch(options, {
        onRequestStart: (...given) => handler.onRequestStart?.(...given),
        onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
        onResponseStart(controller, status, headers, text) {
          // Results may be on another host, which has another clock. An answer with an age comes from a cache.
          const isOwn = options.origin === origin && headers.age === undefined;
          if (options.origin === origin) answers += 1;
          const time = isOwn ? Date.parse(String(headers.date)) : Number.NaN;
          if (Math.abs(time - clock.now()) <= DOUBT_MS) shown = { time, at: clock.monotonic() };
          handler.onResponseStart?.(controller, status, headers, text);
        },
        onResponseData: (...given) => handler.onResponseData?.(...given),
        onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
        onResponseError: (...given) => handler.onResponseError?.(...given),
      }),
  };
}
