import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { NativeJobError } from '../../../src/native/errors.ts';
import { createNativePool, type NativePool } from '../../../src/native/pool.ts';
import { createPreviewProvider, PREVIEW_ABILITIES } from '../../../src/providers/preview/provider.ts';
import type { Answer, Handle, Job, Provider } from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import type { VideoRequest } from '../../../src/tasks/request.ts';
import { aRequest } from '../../support/builders.ts';
import { readAll } from '../../support/http/readAll.ts';
import { childrenOfThis, tellsChildren } from '../../support/processes/nativeChildren.ts';
import { sending } from '../../support/sending.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { describeProviderContract } from '../providerContract.ts';

// One pool for the whole file, because starting a child takes longer than the quickest render.
const native = createNativePool({ concurrency: 2 });
afterAll(() => native.close());

const QUICK = {
  model: 'onetake-preview',
  duration: 1,
  resolution: '480p',
  width: 854,
  height: 480,
  seed: 1,
} as const;
/** Takes long enough to be interrupted. */
const LONG = { ...QUICK, duration: 20, resolution: '1080p', width: 1920, height: 1080 } as const;

/** An upload that reaches the renderer but is not an image. */
const NOT_AN_IMAGE = { mediaId: 'm', contentType: 'image/png', bytes: 4, width: 1, height: 1 };

/** 64 by 64 red pixels, as PNG. */
const RED = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAT0lEQVR42u3PQQkAAAgEsEty/aMYywi+hcEKLNO+FgEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQGBywLKp0DxvxLbjwAAAABJRU5ErkJggg==',
  'base64',
);
const AN_IMAGE = { mediaId: 'red', contentType: 'image/png', bytes: RED.length, width: 64, height: 64 };

describeProviderContract({
  name: 'the preview provider',
  abilities: PREVIEW_ABILITIES,
  local: true,
  startTwice: 'one_job',
  async create() {
    const dir = await mkdtemp(join(tmpdir(), 'onetake-'));
    const open = new Set<Provider>();
    const folders = [dir];
    let hints = 0;
    let seen = 0;
    const waiting = new Set<() => void>();
    let next: Partial<VideoRequest> = {};
    function openProvider(folder = dir): Provider {
      const provider = createPreviewProvider({ dir: folder, native });
      provider.onHint?.(() => {
        hints += 1;
        for (const wake of waiting) wake();
        waiting.clear();
      });
      open.add(provider);
      return provider;
    }
    const provider = openProvider();
    return {
      provider,
      jobsMade: async () => (await readdir(dir)).filter((name) => /^[0-9a-f]{32}\.json$/.test(name)).length,
      async reopen() {
        // The folder belongs to one process at a time. The gateway's lock ensures this.
        await provider.close();
        return openProvider();
      },
      job(job) {
        const request = { ...job.request, ...QUICK, ...next };
        next = {};
        return { ...job, request, openInput: async () => Readable.from([Buffer.from('gif?')]) };
      },
      // Renders hint when they begin and when they are over.
      async passTime() {
        if (hints === seen) await new Promise<void>((resolve) => waiting.add(resolve));
        seen = hints;
      },
      async elsewhere() {
        folders.push(await mkdtemp(join(tmpdir(), 'onetake-')));
        return openProvider(folders.at(-1));
      },
      failNextJob() {
        next = { image: NOT_AN_IMAGE };
      },
      holdNextJob() {
        next = LONG;
      },
      async end() {
        await Promise.all([...open].map((one) => one.close()));
        for (const folder of folders) await rm(folder, { recursive: true, force: true });
      },
    };
  },
});

describe('a preview render', () => {
  it('reports its state and progress until it is over', async () => {
    const { provider } = await openPreview();
    const { handle } = await startJob(provider, { ...QUICK, duration: 2 });
    const told: Answer[] = [];
    for (;;) {
      const answer = await provider.poll(handle, never());
      told.push(answer);
      if (answer.state !== 'queued' && answer.state !== 'in_progress') break;
      await setTimeout(2);
    }
    const progress = told.flatMap((answer) =>
      answer.state === 'in_progress' && answer.progress !== undefined ? [answer.progress] : [],
    );
    expect(told.at(-1)).toMatchObject({ state: 'succeeded', result: { duration: 2 } });
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(new Set(progress).size).toBeGreaterThan(10);
  });

  it.each([
    ['no child can be started', () => Object.assign(new Error('spawn EMFILE'), { code: 'EMFILE' })],
    ['the disk is full', () => new NativeJobError('ENOSPC: no space left', { code: 'ENOSPC' })],
  ])('is made later if %s: that is no verdict on it', async (_what, trouble) => {
    let troubles = 2;
    const troubled: NativePool = {
      ...native,
      run: (...given: Parameters<NativePool['run']>) =>
        troubles-- > 0 ? Promise.reject(trouble()) : native.run(...given),
    } as NativePool;
    const provider = createPreviewProvider({ dir: await tempFolder(), native: troubled });
    onTestFinished(() => provider.close());
    const { handle } = await startJob(provider, QUICK);
    expect(await outcome(provider, handle)).toMatchObject({ state: 'succeeded' });
    expect(troubles).toBeLessThan(0);
  });

  it('that a stop interrupted is repeated after the start and gives the same bytes', async () => {
    const dir = await tempFolder();
    const { provider: first } = await openPreview(dir);
    const { handle, hinted } = await startJob(first, QUICK);
    await hinted;
    await first.close();
    const { provider: second } = await openPreview(dir);
    const interrupted = await outcome(second, handle);
    const { provider: other } = await openPreview();
    const { handle: whole } = await startJob(other, QUICK);
    await outcome(other, whole);
    expect(interrupted.state).toBe('succeeded');
    expect(await bytesOf(second, handle)).toEqual(await bytesOf(other, whole));
  });

  it('of another node is repeated here and gives the same bytes, including its images', async () => {
    const { provider: first } = await openPreview();
    const { handle, hinted, job } = await startJob(first, { ...QUICK, image: AN_IMAGE });
    await hinted;
    const { provider: second, dir } = await openPreview();
    expect(await second.poll(handle, never())).toEqual({ state: 'missing' });
    await Promise.all([second.resume?.(job), second.resume?.(job)]);
    expect((await outcome(second, handle)).state).toBe('succeeded');
    expect((await outcome(first, handle)).state).toBe('succeeded');
    expect(await bytesOf(second, handle)).toEqual(await bytesOf(first, handle));
    // Every start resumes it, but it is not rendered again.
    await second.resume?.(job);
    expect((await second.poll(handle, never())).state).toBe('succeeded');
    expect((await readdir(dir)).filter((name) => name.endsWith('.mp4'))).toHaveLength(1);
  });

  it('takes its images from the request', async () => {
    const { provider } = await openPreview();
    const { handle } = await startJob(provider, { ...QUICK, image: NOT_AN_IMAGE });
    expect(await outcome(provider, handle)).toMatchObject({ state: 'failed', reason: 'upstream_failed' });
  });

  it.skipIf(!tellsChildren)(
    'is killed with its child when it is cancelled, and leaves no half video',
    async () => {
      const { provider, dir } = await openPreview();
      const { handle, hinted } = await startJob(provider, LONG);
      await hinted;
      const busy = childrenOfThis();
      expect(await provider.cancel?.(handle, never())).toBe('cancelled');
      expect(childrenOfThis().length).toBe(busy.length - 1);
      expect(await provider.poll(handle, never())).toMatchObject({ state: 'failed', reason: 'cancelled' });
      expect((await readdir(dir)).filter((name) => name.endsWith('.mp4'))).toEqual([]);
    },
  );

  describe.skipIf(!tellsChildren)('whose child crashes', () => {
    it.each([
      ['once', 'succeeds', 1, 'succeeded'],
      ['twice', 'fails', 2, 'failed'],
    ] as const)('%s, %s', async (_times, _ends, crashes, state) => {
      const pool = createNativePool({ concurrency: 1 });
      onTestFinished(() => pool.close());
      const { provider } = await openPreview(undefined, pool);
      const known = new Set(childrenOfThis());
      const { handle } = await startJob(provider, QUICK);
      for (let crash = 0; crash < crashes; crash++) {
        const pid = await firstChildBeside(known);
        known.add(pid);
        process.kill(pid, 'SIGKILL');
      }
      expect((await outcome(provider, handle)).state).toBe(state);
    });
  });
});

describe('the folder of previews', () => {
  it('loses files that no task can need any more, and keeps the others', async () => {
    const dir = await tempFolder();
    const now = Date.UTC(2026, 0, 20);
    const days = (count: number) => new Date(now - count * 86_400_000);
    const [old, fresh] = [newId(), newId()];
    const files: readonly (readonly [string, Date])[] = [
      [`${old}.json`, days(9)],
      [`${old}.mp4`, days(9)],
      [`${old}.draft.mp4`, days(9)],
      [`${old}.first`, days(9)],
      // A task may take a week.
      [`${fresh}.json`, days(7)],
      [`${fresh}.mp4`, days(0)],
      ['somebody-elses.txt', days(900)],
    ];
    for (const [name, time] of files) {
      await writeFile(join(dir, name), name);
      await utimes(join(dir, name), time, time);
    }
    const provider = createPreviewProvider({ dir, native, clock: { now: () => now } });
    onTestFinished(() => provider.close());
    await expect
      .poll(async () => (await readdir(dir)).sort(), { timeout: 30_000 })
      .toEqual([`${fresh}.json`, `${fresh}.mp4`, 'somebody-elses.txt'].sort());
  });
});

async function openPreview(dir?: string, pool = native) {
  const folder = dir ?? (await tempFolder());
  const provider = createPreviewProvider({ dir: folder, native: pool });
  onTestFinished(() => provider.close());
  return { provider, dir: folder };
}

async function startJob(provider: Provider, request: Partial<VideoRequest>) {
  const key = newId();
  const hinted = new Promise<void>((resolve) => {
    provider.onHint?.((upstreamId) => upstreamId === key && resolve());
  });
  const job: Job = {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: key,
    upstreamModel: 'onetake-preview',
    request: aRequest({ ...QUICK, ...request }),
    openInput: async ({ mediaId }) => Readable.from([mediaId === 'red' ? RED : Buffer.from('gif?')]),
  };
  await provider.submit(job, sending(never()));
  const handle: Handle = {
    upstreamId: key,
    upstreamModel: 'onetake-preview',
    idempotencyKey: key,
    intendedAt: Date.now(),
  };
  return { handle, hinted, job };
}

/** Polls at every hint until the job is over. */
async function outcome(provider: Provider, handle: Handle): Promise<Answer> {
  let wake = (): void => {};
  const stop = provider.onHint?.(() => wake());
  try {
    for (;;) {
      const hint = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const answer = await provider.poll(handle, never());
      if (answer.state !== 'queued' && answer.state !== 'in_progress') return answer;
      await hint;
    }
  } finally {
    stop?.();
  }
}

async function bytesOf(provider: Provider, handle: Handle): Promise<Buffer> {
  const answer = await provider.poll(handle, never());
  if (answer.state !== 'succeeded') throw new Error(`the job ${answer.state}`);
  return readAll((await provider.open(handle, answer.result, 0, never())).stream);
}

/** The child that the pool starts for a job. */
async function firstChildBeside(known: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const pid = childrenOfThis().find((one) => !known.has(one));
    if (pid !== undefined) return pid;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const never = (): AbortSignal => new AbortController().signal;
