import type { Readable } from 'node:stream';
import { unreadStream } from '../net/unreadStream.ts';
import type { Log } from '../observability/log.ts';
import { afterExactly, type Timers } from '../time/timers.ts';
import { type OpenedResult, type Provider, type Submitted, UpstreamError } from './provider.ts';

/** A submission that had not ended when its time was over. The adapter may still be at work on it. */
export class SubmitAbandoned extends UpstreamError {
  /** What comes of it, if anything ever does. From now on its `maySend` is false. */
  readonly late: Promise<Submitted>;

  constructor(late: Promise<Submitted>) {
    super('upstream_timeout', { created: 'unknown', detail: NOT_ENDED });
    this.name = 'SubmitAbandoned';
    this.late = late;
  }
}

interface BoundParts {
  /** The account's name, for the log. */
  readonly account: string;
  readonly log: Pick<Log, 'warn'>;
  readonly after?: Timers['after'];
}

/** How long a call may go on after its signal was aborted, in milliseconds: enough for an event loop that is busy. */
export const GRACE_MS = 5000;
/** Timeout of a call that has no signal, in milliseconds: the default timeout of calls (`ONETAKE_CALL_TIMEOUT_SECONDS`). */
export const NO_SIGNAL_MS = 60_000;

const NOT_ENDED = 'the adapter did not end the call in time';

const giveUp = (): never => {
  throw new UpstreamError('upstream_timeout', { created: 'unknown', detail: NOT_ENDED });
};

function createBounds({ account, log, after = afterExactly }: BoundParts) {
  const warn = (call: keyof Provider) =>
    log.warn(
      { event: 'upstream.call_abandoned', account, call },
      'an adapter did not end a call in time; the gateway goes on without it',
    );

  /** Runs `over` `GRACE_MS` after the signal is aborted. Returns a function that cancels this. */
  function afterGrace(signal: AbortSignal | undefined, over: () => void): () => void {
    if (!signal) return after(NO_SIGNAL_MS + GRACE_MS, over);
    let cancel = () => {};
    const aborted = () => {
      cancel = after(GRACE_MS, over);
    };
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
    return () => {
      signal.removeEventListener('abort', aborted);
      cancel();
    };
  }

  /** The outcome of the call, or what `abandon` returns or throws once its time is over. */
  async function bound<T>(
    call: keyof Provider,
    signal: AbortSignal | undefined,
    make: () => Promise<T>,
    abandon: (late: Promise<T>) => T = giveUp,
  ): Promise<T> {
    const isOver = Promise.withResolvers<undefined>();
    const cancel = afterGrace(signal, () => isOver.resolve(undefined));
    const made = Promise.try(make);
    try {
      const ended = await Promise.race([made.then((value) => ({ value })), isOver.promise]);
      if (ended) return ended.value;
    } finally {
      cancel();
    }
    warn(call);
    return abandon(made);
  }

  /** Also ends a stream that outlives the signal. */
  function boundStream(stream: Readable, signal: AbortSignal): void {
    const cancel = afterGrace(signal, () => {
      warn('open');
      stream.destroy(new UpstreamError('upstream_timeout', { detail: NOT_ENDED }));
    });
    stream.once('close', cancel);
  }

  return { bound, boundStream };
}

/**
 * Ends every call of an adapter `GRACE_MS` after its signal at the latest, so that an adapter that ignores the signal holds neither a
 * task nor a slot for ever. Such a call fails as one that timed out, and is logged.
 */
export function boundCalls(provider: Provider, parts: BoundParts): Provider {
  const { bound, boundStream } = createBounds(parts);
  const {
    pollMany,
    chooseJobs,
    resume,
    cancel,
    find,
    discard,
    verifyCallback,
    onHint,
    upstreamTime,
    reach,
    nobodysId,
    findVersion,
  } = provider;
  return {
    submit(job, { signal, maySend }) {
      let isAbandoned = false;
      const sending = { signal, maySend: () => !isAbandoned && maySend() };
      return bound(
        'submit',
        signal,
        () => provider.submit(job, sending),
        (late) => {
          isAbandoned = true;
          throw new SubmitAbandoned(late);
        },
      );
    },
    refusedOptions: (request, upstreamModel) => provider.refusedOptions(request, upstreamModel),
    poll: (handle, signal) => bound('poll', signal, () => provider.poll(handle, signal)),
    async open(handle, result, offset, signal) {
      const make = () => provider.open(handle, result, offset, signal);
      const opened = await bound('open', signal, make, (late) => {
        late.then(drop, () => undefined);
        return giveUp();
      });
      boundStream(unreadStream(opened.stream), signal);
      return opened;
    },
    close: () =>
      bound(
        'close',
        undefined,
        () => provider.close(),
        () => undefined,
      ),
    ...(pollMany && {
      pollMany: (handles, signal) => bound('pollMany', signal, () => pollMany(handles, signal)),
    }),
    ...(chooseJobs && { chooseJobs }),
    ...(nobodysId && { nobodysId }),
    ...(findVersion === undefined ? {} : { findVersion }),
    ...(resume && { resume: (job) => bound('resume', undefined, () => resume(job)) }),
    ...(cancel && { cancel: (handle, signal) => bound('cancel', signal, () => cancel(handle, signal)) }),
    ...(find && { find: (attempt, signal) => bound('find', signal, () => find(attempt, signal)) }),
    ...(discard && { discard: (handle, signal) => bound('discard', signal, () => discard(handle, signal)) }),
    ...(verifyCallback && {
      verifyCallback: (callback) => bound('verifyCallback', undefined, () => verifyCallback(callback)),
    }),
    ...(onHint && { onHint }),
    ...(upstreamTime && {
      upstreamTime: () => bound('upstreamTime', undefined, upstreamTime),
    }),
    ...(reach && { reach: () => bound('reach', undefined, reach) }),
  };
}

function drop({ stream }: OpenedResult): void {
  stream.on('error', () => undefined);
  stream.destroy();
}
