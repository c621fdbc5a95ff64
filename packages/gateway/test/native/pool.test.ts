import { execFile, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { NativeCrash, NativeJobError, NativePoolClosed, NativeTimeout } from '../../src/native/errors.ts';
import { createNativePool, type NativePool, type RunOptions } from '../../src/native/pool.ts';
import { serve } from '../support/servers/httpServer.ts';
import type { Failure } from './jobs/fail.ts';
import type { Told } from './jobs/tell.ts';

const TELL = new URL('./jobs/tell.ts', import.meta.url);
const HOLD = new URL('./jobs/hold.ts', import.meta.url);
const FAIL = new URL('./jobs/fail.ts', import.meta.url);
const DESCRIPTORS = fileURLToPath(new URL('./descriptors.ts', import.meta.url));
const ORPHAN = fileURLToPath(new URL('./orphan.ts', import.meta.url));

function pool(concurrency = 1, log?: Parameters<typeof createNativePool>[0]['log']): NativePool {
  const made = createNativePool({ concurrency, ...(log ? { log } : {}) });
  onTestFinished(() => made.close());
  return made;
}

const tell = <T>(native: NativePool, input: T, options?: RunOptions) =>
  native.run<T, Told<T>>(TELL, input, options);
const fail = (native: NativePool, how: Failure, options?: RunOptions) =>
  native.run<Failure, unknown>(FAIL, how, options);

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

interface Held {
  readonly name: string;
  readonly pid: number;
  /** Lets the job end. */
  release(): void;
  readonly gone: Promise<unknown>;
}

/** A server at which jobs wait. */
async function gate() {
  const arrivals = new EventEmitter();
  const held: Held[] = [];
  const { origin } = await serve((request, response: ServerResponse) => {
    const query = new URL(request.url ?? '', 'http://gate').searchParams;
    const name = query.get('name') ?? '';
    held.push({
      name,
      pid: Number(query.get('pid')),
      release: () => response.end(`${name} done`),
      gone: once(request.socket, 'close'),
    });
    arrivals.emit('arrival');
  });
  return {
    origin,
    held,
    /** Resolves once this many jobs have reached the gate, including those that have left. */
    async came(count: number): Promise<void> {
      while (held.length < count) await once(arrivals, 'arrival');
    },
    hold: (native: NativePool, name: string, options?: RunOptions) =>
      native.run<{ url: string; name: string }, string>(HOLD, { url: origin, name }, options),
  };
}

describe('jobs', () => {
  it('run in another process, which is reused for the next job', async () => {
    const native = pool();
    const first = await tell(native, { bytes: new Uint8Array([1, 2]), when: new Date(0), none: undefined });
    expect(first.input).toEqual({ bytes: new Uint8Array([1, 2]), when: new Date(0), none: undefined });
    expect(first.pid).not.toBe(process.pid);
    expect((await tell(native, 2)).pid).toBe(first.pid);
  });

  it('run as many at a time as allowed; the others wait in order', async () => {
    const native = pool(2);
    const { hold, held, came } = await gate();
    const jobs = ['a', 'b', 'c', 'd', 'e'].map((name) => hold(native, name));
    await came(2);
    for (let next = 0; next < 3; next++) {
      expect(held).toHaveLength(next + 2);
      held[next]?.release();
      await came(next + 3);
    }
    for (const { release } of held) release();
    expect(await Promise.all(jobs)).toEqual(['a done', 'b done', 'c done', 'd done', 'e done']);
    expect(new Set(held.slice(0, 2).map(({ name }) => name))).toEqual(new Set(['a', 'b']));
    expect(held.slice(2).map(({ name }) => name)).toEqual(['c', 'd', 'e']);
    expect(new Set(held.map(({ pid }) => pid)).size).toBe(2);
  });

  it('report progress in whole per cents, each once; the first call means that the job has begun', async () => {
    const native = pool();
    const told: number[] = [];
    await tell(native, 'x', { onProgress: (percent) => told.push(percent) });
    expect(told).toEqual([0, 0, 12, 50, 100]);
  });

  it('report nothing while they wait', async () => {
    const native = pool();
    const { hold, held, came } = await gate();
    const first = hold(native, 'first');
    const onProgress = vi.fn();
    const second = tell(native, 'x', { onProgress });
    await came(1);
    expect(onProgress).not.toHaveBeenCalled();
    held[0]?.release();
    await Promise.all([first, second]);
    expect(onProgress).toHaveBeenCalled();
  });
});

describe('a job is aborted', () => {
  it('while it runs: its process is gone when the promise rejects, and the next job works', async () => {
    const native = pool();
    const { hold, held, came } = await gate();
    const control = new AbortController();
    const job = hold(native, 'a', { signal: control.signal });
    const next = tell(native, 'next');
    await came(1);
    const reason = new Error('no longer wanted');
    control.abort(reason);
    await expect(job).rejects.toBe(reason);
    const pid = held[0]?.pid ?? 0;
    expect(isAlive(pid)).toBe(false);
    expect((await next).pid).not.toBe(pid);
  });

  it('while it waits: it never runs', async () => {
    const native = pool();
    const { hold, held, came } = await gate();
    const first = hold(native, 'first');
    const control = new AbortController();
    const waiting = hold(native, 'waiting', { signal: control.signal });
    await came(1);
    control.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toThrow('no longer wanted');
    held[0]?.release();
    expect(await first).toBe('first done');
    await tell(native, 'x');
    expect(held).toHaveLength(1);
  });

  it('before it is added: it is not accepted', async () => {
    const native = pool();
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(tell(native, 'x', { signal })).rejects.toThrow('too late');
  });

  it('after its end: this has no effect', async () => {
    const native = pool();
    const control = new AbortController();
    const { pid } = await tell(native, 'x', { signal: control.signal });
    control.abort();
    expect((await tell(native, 'y')).pid).toBe(pid);
  });
});

describe('timeouts', () => {
  const fakeTimers = () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
  };

  it('a job that takes too long is killed, and the next one works', async () => {
    const native = pool();
    const { hold, held, came } = await gate();
    fakeTimers();
    const job = hold(native, 'slow', { timeoutMs: 5000 });
    const refused = expect(job).rejects.toThrow(NativeTimeout);
    await came(1);
    vi.advanceTimersByTime(5000);
    await refused;
    const pid = held[0]?.pid ?? 0;
    expect(isAlive(pid)).toBe(false);
    expect((await tell(native, 'next', { timeoutMs: 5000 })).pid).not.toBe(pid);
  });

  it('do not include the wait for a place', async () => {
    const native = pool();
    const { hold, held, came } = await gate();
    fakeTimers();
    const first = hold(native, 'first');
    const second = tell(native, 'second', { timeoutMs: 5000 });
    await came(1);
    vi.advanceTimersByTime(60_000);
    held[0]?.release();
    await first;
    expect((await second).input).toBe('second');
  });

  it('end an idle child after a minute', async () => {
    const native = pool();
    fakeTimers();
    const { pid } = await tell(native, 'x');
    vi.advanceTimersByTime(59_999);
    expect((await tell(native, 'y')).pid).toBe(pid);
    vi.advanceTimersByTime(60_000);
    expect((await tell(native, 'z')).pid).not.toBe(pid);
  });
});

describe('a crash of native code', () => {
  it.each<[Failure, object]>([
    ['abort', { exitSignal: 'SIGABRT' }],
    ['segfault', { exitSignal: 'SIGSEGV' }],
    ['exit', { exitCode: 3 }],
    ['reject later', { exitCode: 1, stderr: expect.stringContaining('nobody catches this') }],
  ])('by %s fails only its job, and the error has the child’s last output', async (how, facts) => {
    const warn = vi.fn();
    const native = pool(1, { warn });
    const { pid } = await tell(native, 'before');
    const crashed = fail(native, how);
    const next = tell(native, 'after');
    const error: unknown = await crashed.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(NativeCrash);
    expect(error).toMatchObject({ stderr: expect.stringContaining(`about to ${how}`), ...facts });
    expect((await next).pid).not.toBe(pid);
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ job: FAIL.href }),
      expect.any(String),
    );
  });

  it('in an idle child does not fail the next job', async () => {
    const native = pool();
    const { pid } = await tell(native, 'before');
    process.kill(pid, 'SIGKILL');
    const after = await tell(native, 'after').catch((error: unknown) => error);
    // A job that was added before the death was known is failed by the crash; the next one is not.
    if (after instanceof Error) expect(after).toBeInstanceOf(NativeCrash);
    expect((await tell(native, 'later')).pid).not.toBe(pid);
  });
});

it('a signal that reaches the whole process group ends no child', async () => {
  const native = pool();
  const { pid } = await tell(native, 'before');
  for (const signal of ['SIGINT', 'SIGTERM']) process.kill(pid, signal);
  expect((await tell(native, 'after')).pid).toBe(pid);
});

describe('a job that throws', () => {
  it('rejects with its message and the stack of its own process, which lives on', async () => {
    const native = pool();
    const { pid } = await tell(native, 'before');
    const error: unknown = await fail(native, 'throw').catch((error: unknown) => error);
    expect(error).toBeInstanceOf(NativeJobError);
    expect(error).toMatchObject({
      message: 'the frame is too wide',
      stack: expect.stringContaining('jobs/fail.ts'),
    });
    expect((await tell(native, 'after')).pid).toBe(pid);
  });

  it('rejects also if it throws no error object', async () => {
    await expect(fail(pool(), 'throw text')).rejects.toThrow(new NativeJobError('only words'));
  });

  it('rejects if there is no such module', async () => {
    const missing = pool().run(new URL('./jobs/missing.ts', import.meta.url), {});
    await expect(missing).rejects.toThrow(NativeJobError);
  });

  it('rejects if its result cannot be sent', async () => {
    const native = pool();
    await expect(fail(native, 'unsendable')).rejects.toThrow(NativeJobError);
    expect((await tell(native, 'after')).input).toBe('after');
  });

  it('rejects if its input cannot be sent, and frees the place for the next job', async () => {
    const native = pool();
    await expect(tell(native, { call: () => 1 })).rejects.toThrow(/could not be cloned/);
    expect((await tell(native, 'after')).input).toBe('after');
  });
});

describe('closing', () => {
  it('rejects running and waiting jobs, leaves no process, and accepts no more jobs', async () => {
    const native = pool();
    const { hold, held, came } = await gate();
    const jobs = [hold(native, 'a'), hold(native, 'b')];
    const ends = Promise.allSettled(jobs);
    await came(1);
    await Promise.all([native.close(), native.close()]);
    expect(isAlive(held[0]?.pid ?? 0)).toBe(false);
    for (const end of await ends) expect(end).toMatchObject({ reason: expect.any(NativePoolClosed) });
    await expect(tell(native, 'x')).rejects.toThrow(NativePoolClosed);
  });

  it('ends idle processes too', async () => {
    const native = pool();
    const { pid } = await tell(native, 'x');
    await native.close();
    expect(isAlive(pid)).toBe(false);
  });
});

describe('a child process', () => {
  it('has none of the parent’s secrets, only the locations of programs and temporary files', async () => {
    vi.stubEnv('OPENAI_API_KEY', 'a secret');
    vi.stubEnv('ONETAKE_BOOTSTRAP_KEY', 'another secret');
    vi.stubEnv('NODE_OPTIONS', '--no-warnings');
    onTestFinished(() => void vi.unstubAllEnvs());
    const { env } = await tell(pool(), 'x');
    expect(env.PATH).toBe(process.env.PATH);
    expect(JSON.stringify(env)).not.toContain('secret');
    expect(Object.keys(env)).not.toContain('NODE_OPTIONS');
    expect(Object.keys(env).filter((name) => /^(ONETAKE|VITEST)/.test(name))).toEqual([]);
  });

  it('does not keep the parent alive while it is idle', async () => {
    await expect(promisify(execFile)(process.execPath, [ORPHAN])).resolves.toMatchObject({ stderr: '' });
  });

  it.runIf(process.platform === 'linux')(
    'that cannot be started without descriptors is reported, and the pool continues',
    async () => {
      const limited = `ulimit -n 64; exec ${JSON.stringify(process.execPath)} ${JSON.stringify(DESCRIPTORS)}`;
      const { stdout } = await promisify(execFile)('bash', ['-c', limited]);
      expect(JSON.parse(stdout)).toEqual(['EMFILE', 'done']);
    },
  );

  it('ends with its parent, whatever it was doing', async () => {
    const { origin, held, came } = await gate();
    const parent = spawn(process.execPath, [ORPHAN, origin], { stdio: 'ignore' });
    await came(1);
    parent.kill('SIGKILL');
    await held[0]?.gone;
  });
});

it('keeps what a child has compiled for the next child, although it ends by a kill', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-compiled-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  vi.stubEnv('NODE_COMPILE_CACHE', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  const native = pool();
  // The second job begins after all that follows the first.
  for (const job of [1, 2]) await tell(native, job);
  expect((await readdir(folder, { recursive: true })).length).toBeGreaterThan(1);
});
