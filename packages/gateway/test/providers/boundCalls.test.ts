import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { boundCalls, GRACE_MS, NO_SIGNAL_MS, SubmitAbandoned } from '../../src/providers/boundCalls.ts';
import {
  type Handle,
  type Job,
  type Provider,
  type Submitted,
  UpstreamError,
} from '../../src/providers/provider.ts';
import { createRegistry } from '../../src/providers/registry.ts';
import { aRequest } from '../support/builders.ts';
import { LIMITS } from '../support/engineParts.ts';
import { createManualTimers } from '../support/manualTimers.ts';

type Call = Exclude<keyof Provider, 'onHint' | 'refusedOptions' | 'chooseJobs' | 'nobodysId' | 'findVersion'>;

const HANDLE: Handle = { upstreamId: 'u', upstreamModel: 'm', idempotencyKey: 'k', intendedAt: 1 };
const JOB: Job = {
  taskId: 'video_1',
  attempt: 1,
  idempotencyKey: 'k',
  upstreamModel: 'm',
  request: aRequest(),
  openInput: () => Promise.reject(new Error('no inputs')),
};
const LOST = {
  taskId: 'video_1',
  idempotencyKey: 'k',
  upstreamModel: 'm',
  request: aRequest(),
  intendedAt: 1,
  sinceGivenUp: () => 0,
  isKnown: async () => false,
};

/** Makes each call of a provider. A new method of `Provider` does not compile without an entry here. */
const CALLS: Record<Call, (provider: Required<Provider>, signal: AbortSignal) => Promise<unknown>> = {
  submit: (provider, signal) => provider.submit(JOB, { signal, maySend: () => true }),
  poll: (provider, signal) => provider.poll(HANDLE, signal),
  pollMany: (provider, signal) => provider.pollMany([HANDLE], signal),
  resume: (provider) => provider.resume(JOB),
  open: (provider, signal) => provider.open(HANDLE, { ref: 'r' }, 0, signal),
  cancel: (provider, signal) => provider.cancel(HANDLE, signal),
  find: (provider, signal) => provider.find(LOST, signal),
  discard: (provider, signal) => provider.discard(HANDLE, signal),
  verifyCallback: (provider) => provider.verifyCallback({ headers: {}, rawBody: Buffer.of(), query: {} }),
  upstreamTime: (provider) => provider.upstreamTime(),
  reach: (provider) => provider.reach(),
  close: (provider) => provider.close(),
};
const NAMES = Object.keys(CALLS) as Call[];
const WITHOUT_SIGNAL: readonly Call[] = ['resume', 'verifyCallback', 'upstreamTime', 'reach', 'close'];
/** What these promise never to reject with. */
const RESOLVING: readonly Call[] = ['close'];

/** A provider all of whose calls end as `ends` does, whatever their signal says. */
function bounded(ends: () => Promise<never>, overrides: Partial<Provider> = {}) {
  const timers = createManualTimers();
  const logged: unknown[] = [];
  const methods = Object.fromEntries(NAMES.map((name) => [name, ends]));
  const provider = boundCalls(
    { ...(methods as unknown as Provider), onHint: () => () => {}, ...overrides },
    {
      account: 'one',
      log: { warn: (line: unknown) => logged.push(line) },
      after: timers.after,
    },
  ) as Required<Provider>;
  return {
    provider,
    logged,
    waiting: () => timers.nextAt() !== undefined,
    advance(ms: number) {
      timers.moveTo(timers.trueTime() + ms);
      return turn();
    },
  };
}

/** The state of a promise as it changes. */
function watch<T>(promise: Promise<T>): { state: 'pending' | { value: T } | { error: unknown } } {
  const watched: { state: 'pending' | { value: T } | { error: unknown } } = { state: 'pending' };
  promise.then(
    (value) => {
      watched.state = { value };
    },
    (error) => {
      watched.state = { error };
    },
  );
  return watched;
}

const never = (): Promise<never> => new Promise(() => {});

describe('a call that never ends', () => {
  it.each(NAMES)('ends shortly after its time, and is logged: %s', async (name) => {
    const { provider, logged, advance, waiting } = bounded(never);
    const time = new AbortController();
    const call = watch(CALLS[name](provider, time.signal));
    if (WITHOUT_SIGNAL.includes(name)) await advance(NO_SIGNAL_MS);
    else {
      expect(waiting()).toBe(false);
      time.abort();
    }
    await advance(GRACE_MS - 1);
    expect(call.state).toBe('pending');
    expect(logged).toEqual([]);
    await advance(1);
    if (RESOLVING.includes(name)) expect(call.state).toEqual({ value: undefined });
    else {
      expect(call.state).toMatchObject({ error: { reason: 'upstream_timeout', created: 'unknown' } });
    }
    expect(logged).toEqual([{ event: 'upstream.call_abandoned', account: 'one', call: name }]);
    expect(waiting()).toBe(false);
  });

  it('ends although its signal was aborted before it began', async () => {
    const { provider, advance } = bounded(never);
    const call = watch(provider.poll(HANDLE, AbortSignal.abort()));
    await advance(GRACE_MS);
    expect(call.state).toMatchObject({ error: { reason: 'upstream_timeout' } });
  });
});

describe('a call that ends', () => {
  it.each(NAMES)(
    'ends as the adapter says, within the grace as well, and leaves no timer: %s',
    async (name) => {
      const refused = new UpstreamError('rate_limited', { created: 'no' });
      const { promise, reject } = Promise.withResolvers<never>();
      const { provider, logged, advance, waiting } = bounded(() => promise);
      const time = new AbortController();
      const call = watch(CALLS[name](provider, time.signal));
      time.abort();
      await advance(GRACE_MS - 1);
      reject(refused);
      await turn();
      expect(call.state).toEqual({ error: refused });
      expect(waiting()).toBe(false);
      expect(logged).toEqual([]);
    },
  );

  it('that throws at once rejects', async () => {
    const broken = new Error('a bug');
    const { provider } = bounded(() => {
      throw broken;
    });
    await expect(provider.poll(HANDLE, new AbortController().signal)).rejects.toBe(broken);
  });

  it('gets the arguments, and its value is passed on', async () => {
    const { provider } = bounded(never, {
      find: async (lost) => ({ found: true, upstreamId: `${lost.taskId} found` }),
      pollMany: async (handles) =>
        new Map(handles.map(({ upstreamId }) => [upstreamId, { state: 'queued' }])),
    });
    const { signal } = new AbortController();
    await expect(provider.find(LOST, signal)).resolves.toEqual({ found: true, upstreamId: 'video_1 found' });
    await expect(provider.pollMany([HANDLE], signal)).resolves.toEqual(new Map([['u', { state: 'queued' }]]));
  });
});

describe('a submission that was given up', () => {
  it('may not be sent any more, and tells what came of it', async () => {
    const { promise, resolve } = Promise.withResolvers<Submitted>();
    let maySend: (() => boolean) | undefined;
    const { provider, advance } = bounded(never, {
      submit(_job, sending) {
        maySend = sending.maySend;
        return promise;
      },
    });
    const time = new AbortController();
    const call = watch(CALLS.submit(provider, time.signal));
    time.abort();
    await advance(GRACE_MS - 1);
    expect(maySend?.()).toBe(true);
    await advance(1);
    expect(maySend?.()).toBe(false);
    const { error } = call.state as { error: SubmitAbandoned };
    expect(error).toBeInstanceOf(SubmitAbandoned);
    resolve({ upstreamId: 'late', state: 'queued' });
    await expect(error.late).resolves.toEqual({ upstreamId: 'late', state: 'queued' });
  });

  it('may only be sent while the node may send', async () => {
    let maySend: (() => boolean) | undefined;
    const { provider } = bounded(never, {
      async submit(_job, sending) {
        maySend = sending.maySend;
        return { upstreamId: 'u', state: 'queued' };
      },
    });
    let may = true;
    await provider.submit(JOB, { signal: new AbortController().signal, maySend: () => may });
    expect(maySend?.()).toBe(true);
    may = false;
    expect(maySend?.()).toBe(false);
  });
});

describe('a stream', () => {
  const silent = () => new Readable({ read() {} });

  it('that outlives its signal is destroyed', async () => {
    const stream = silent();
    const { provider, logged, advance, waiting } = bounded(never, {
      open: async () => ({ stream, offset: 0 }),
    });
    const time = new AbortController();
    const opened = await provider.open(HANDLE, { ref: 'r' }, 0, time.signal);
    expect(opened).toEqual({ stream, offset: 0 });
    const failed = watch(opened.stream.toArray());
    time.abort();
    await advance(GRACE_MS - 1);
    expect(failed.state).toBe('pending');
    await advance(1);
    expect(failed.state).toMatchObject({ error: { reason: 'upstream_timeout' } });
    expect(logged).toEqual([{ event: 'upstream.call_abandoned', account: 'one', call: 'open' }]);
    expect(waiting()).toBe(false);
  });

  it('that was read or destroyed in time leaves no timer', async () => {
    const stream = silent();
    const { provider, logged, advance, waiting } = bounded(never, {
      open: async () => ({ stream, offset: 0 }),
    });
    const time = new AbortController();
    await provider.open(HANDLE, { ref: 'r' }, 0, time.signal);
    stream.destroy();
    await turn();
    time.abort();
    expect(waiting()).toBe(false);
    await advance(GRACE_MS);
    expect(logged).toEqual([]);
  });

  it('that is opened too late is destroyed', async () => {
    const { promise, resolve } = Promise.withResolvers<{ stream: Readable; offset: number }>();
    const { provider, advance } = bounded(never, { open: () => promise });
    const call = watch(provider.open(HANDLE, { ref: 'r' }, 0, AbortSignal.abort()));
    await advance(GRACE_MS);
    expect(call.state).toMatchObject({ error: { reason: 'upstream_timeout' } });
    const stream = silent();
    resolve({ stream, offset: 0 });
    await turn();
    expect(stream.destroyed).toBe(true);
    expect(() => stream.emit('error', new Error('reset'))).not.toThrow();
  });
});

describe('a provider whose calls are bounded', () => {
  it('has the abilities that it had', async () => {
    const { poll, submit, open, close, refusedOptions } = bounded(never).provider;
    const least = boundCalls(
      { poll, submit, open, close, refusedOptions },
      { account: 'one', log: { warn: () => {} } },
    );
    expect(Object.keys(least).sort()).toEqual(['close', 'open', 'poll', 'refusedOptions', 'submit']);
    const heard: string[] = [];
    const { provider } = bounded(never, {
      findVersion: 'v1',
      onHint(listener) {
        listener('u');
        return () => heard.push('unsubscribed');
      },
    });
    provider.onHint((id) => heard.push(id))();
    expect(heard).toEqual(['u', 'unsubscribed']);
    expect(provider.findVersion).toBe('v1');
  });
});

describe('the registry', () => {
  it('bounds the calls of every account', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const methods = Object.fromEntries(NAMES.map((name) => [name, never])) as unknown as Provider;
    const logged: unknown[] = [];
    const registry = await createRegistry({
      settings: {
        dataDir: '/nowhere',
        previewConcurrency: 0,
        accounts: [
          {
            id: 'one',
            account: {},
            definition: {
              id: 'deaf',
              abilities: {},
              schema: () => z.never(),
              variables: [],
              fromEnvironment: () => undefined,
              open: () => ({ provider: methods, official: false, limits: LIMITS }),
            },
          },
        ],
      },
      log: pino({ level: 'warn' }, { write: (line) => logged.push(JSON.parse(line)) }),
    });
    const call = watch(registry.accounts[0]?.provider.poll(HANDLE, AbortSignal.abort()) ?? never());
    await vi.advanceTimersByTimeAsync(GRACE_MS);
    expect(call.state).toMatchObject({ error: { reason: 'upstream_timeout' } });
    const closed = watch(registry.close());
    await vi.advanceTimersByTimeAsync(NO_SIGNAL_MS + GRACE_MS);
    expect(closed.state).toEqual({ value: undefined });
    expect(logged).toMatchObject([
      { account: 'one', call: 'poll' },
      { account: 'one', call: 'close' },
    ]);
  });
});
