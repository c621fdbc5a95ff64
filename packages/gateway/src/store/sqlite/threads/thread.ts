import { Worker } from 'node:worker_threads';
import type { Log } from '../../../observability/log.ts';
import { OutcomeUnknown, StoreRefused, StoreUnavailable } from '../../errors.ts';
import { type ErrorData, errorFromData } from './errors.ts';
import type { Call, SentCall } from './remote.ts';

const PROGRAM = new URL('./worker.ts', import.meta.url);

/** More than the largest group or list needs. A thread that needs more ends alone, and not with the gateway. Mebibytes. */
const LIMITS = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 8, codeRangeSizeMb: 16 };

/** The pause before a thread that has died is started again. Doubled each time until it has answered. Milliseconds. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/** What a thread is started with. */
export interface ThreadData {
  readonly role: 'writer' | 'reader';
  /** The data folder. */
  readonly dir: string;
  readonly lockPatienceMs: number | undefined;
}

/** What a thread is sent: calls, or that it is to end after those before. */
export type ThreadMessage = readonly SentCall[] | 'end';

/** What a thread answers: the results of calls by their numbers, and their errors. */
export interface Answer {
  readonly done: [number: number, value: unknown][];
  readonly failed: [number: number, error: ErrorData][];
  /** A delivery that is due was written. */
  delivery: boolean;
}

export interface ThreadOptions extends ThreadData {
  readonly log?: Pick<Log, 'error'> | undefined;
  /** Called before the thread is started. Throws if the file is not the one that was opened. */
  readonly requireFile: () => void;
  /** Called before the call that wrote the delivery is settled. */
  readonly onDelivery?: () => void;
  /** A thread without calls ends after so many milliseconds, and is started again by the next call. By default it stays. */
  readonly idleMs?: number;
}

export interface Thread {
  readonly call: Call;
  /** Resolves when everything that was called before is done, and the thread has ended. */
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A thread that executes operations on a connection of its own. All calls of one turn of the event loop are one message. It is started by
 * the first call; if it dies, its calls fail, and a later call starts it again.
 */
export function createThread(options: ThreadOptions): Thread {
  const { role, dir, lockPatienceMs, log, requireFile, onDelivery, idleMs } = options;
  const waiting = new Map<number, Waiting>();
  let number = 0;
  let outbox: SentCall[] = [];
  let worker: Worker | undefined;
  /** The thread that was started last, and its end. */
  let last: Worker | undefined;
  let ended: Promise<void> = Promise.resolve();
  let pauseMs = FIRST_PAUSE_MS;
  let pauseUntil = 0;
  let idle: NodeJS.Timeout | undefined;
  let closed = false;

  function start(): Worker {
    const name = `onetake-${role}`;
    const data: ThreadData = { role, dir, lockPatienceMs };
    const started = new Worker(PROGRAM, { name, workerData: data, resourceLimits: LIMITS });
    let cause: unknown;
    started.on('message', (answer: Answer) => {
      pauseMs = FIRST_PAUSE_MS;
      take(answer);
    });
    started.on('error', (error) => {
      cause = error;
    });
    ended = new Promise((resolve) => {
      started.on('exit', (code) => {
        const isLast = worker === started;
        if (isLast) worker = undefined;
        if (isLast && !(closed && waiting.size === 0))
          died(cause ?? new Error(`it has ended with code ${code}`));
        resolve();
      });
    });
    last = started;
    return started;
  }

  function take({ done, failed, delivery }: Answer): void {
    if (delivery) onDelivery?.();
    for (const [of, value] of done) settle(of)?.resolve(value);
    for (const [of, error] of failed) settle(of)?.reject(errorFromData(error));
    if (waiting.size === 0) rest();
  }

  function settle(of: number): Waiting | undefined {
    const call = waiting.get(of);
    waiting.delete(of);
    return call;
  }

  /** A thread without calls does not keep the process alive. */
  function rest(): void {
    if (closed) return;
    worker?.unref();
    clearTimeout(idle);
    if (idleMs !== undefined) idle = setTimeout(end, idleMs).unref();
  }

  function end(): void {
    worker?.postMessage('end' satisfies ThreadMessage);
    worker = undefined;
  }

  function died(cause: unknown): void {
    log?.error(
      { event: 'store.thread_died', thread: role, err: cause },
      'a thread of the embedded store has died; it is started again',
    );
    pauseUntil = performance.now() + pauseMs;
    pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
    rejectAll(
      new OutcomeUnknown(
        `${OPENED_AGAIN} it is not known whether anything was written. Try again shortly.`,
        1,
        cause,
      ),
    );
  }

  function rejectAll(error: unknown): void {
    outbox = [];
    for (const of of [...waiting.keys()]) settle(of)?.reject(error);
  }

  function send(): void {
    const calls = outbox;
    outbox = [];
    if (calls.length > 0) post(calls);
  }

  function post(calls: readonly SentCall[]): void {
    try {
      if (!worker) {
        requireFile();
        if (performance.now() < pauseUntil)
          throw new StoreUnavailable(`${OPENED_AGAIN} nothing was written. Try again shortly.`, 1);
        worker = start();
      }
      worker.postMessage(calls satisfies ThreadMessage);
      worker.ref();
    } catch (error) {
      const cannotBeSent = error instanceof DOMException && error.name === 'DataCloneError';
      // One call with such a value must not fail the others.
      if (cannotBeSent && calls.length > 1) for (const call of calls) post([call]);
      // Calls that were sent before have an answer of their own.
      else for (const [of] of calls) settle(of)?.reject(cannotBeSent ? new StoreRefused(error) : error);
      if (waiting.size === 0) rest();
    }
  }

  return {
    call(name, args) {
      if (closed) return Promise.reject(new StoreUnavailable('The store of the gateway is closed.', 5));
      return new Promise((resolve, reject) => {
        number += 1;
        waiting.set(number, { resolve, reject });
        clearTimeout(idle);
        if (outbox.push([number, name, args]) === 1) setImmediate(send);
      });
    },
    async close() {
      closed = true;
      clearTimeout(idle);
      send();
      // Whoever closes the store waits for the end, although nothing else may keep the process alive.
      last?.ref();
      worker?.postMessage('end' satisfies ThreadMessage);
      await ended;
    },
  };
}

const OPENED_AGAIN = 'The gateway has to open its data again;';
