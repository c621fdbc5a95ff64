import { Readable } from 'node:stream';
import type { NativePool } from '../../native/pool.ts';
import type { Log } from '../../observability/log.ts';
import { type Clock, systemClock } from '../../time/clock.ts';
import { readInput } from '../http/inputs.ts';
import { lookedUp } from '../http/judge.ts';
import {
  type Job,
  MAKES_NOTHING,
  type MaySend,
  type Provider,
  SendRefused,
  UpstreamError,
} from '../provider.ts';
import { createJobFiles, type JobFiles, removeLeftovers, videoName } from './jobFiles.ts';
import { createRenders, type Render } from './renders.ts';
import { specOf } from './request.ts';

/** Keys become file names, so only what our keys look like is one. */
const KEY = /^[0-9a-f]{32}$/;

/**
 * The built-in renderer as a provider: draws from the prompt with plain graphics, free and on this machine. Its
 * jobs live in files under `dir`; what a crash interrupts is rendered again, to the same bytes, when it is next asked about.
 */
export function createPreviewProvider(options: {
  readonly dir: string;
  readonly native: NativePool;
  readonly clock?: Clock;
  readonly log?: Pick<Log, 'warn'>;
}): Provider {
  const { dir, native, log, clock = systemClock } = options;
  const files = createJobFiles(dir);
  const listeners = new Set<(upstreamId: string) => void>();
  const renders = createRenders({
    dir,
    files,
    native,
    log,
    onChange(key) {
      for (const listener of listeners) listener(key);
    },
  });
  const starting = new Map<string, Promise<void>>();
  void removeLeftovers(dir, clock.now()).catch((error: unknown) =>
    log?.warn({ event: 'preview.cleanup_failed', err: error }, 'cannot remove old preview files'),
  );

  async function accept(job: Job, maySend: MaySend): Promise<void> {
    const key = job.idempotencyKey;
    if (await files.readSpec(key)) return;
    const { image, lastFrame } = job.request;
    const save = async (role: 'first' | 'last', input: typeof image): Promise<string | undefined> =>
      input && (await files.saveImage(key, role, Readable.from([await readInput(job, input)])));
    const first = await save('first', image);
    const last = await save('last', lastFrame);
    const spec = specOf(job.request, key, {
      ...(first === undefined ? {} : { firstFrame: first }),
      ...(last === undefined ? {} : { lastFrame: last }),
    });
    // What makes the job: as with any upstream, nothing is made that this node may no longer make.
    if (!maySend()) throw new SendRefused();
    await files.saveSpec(key, spec);
    renders.enqueue(key, spec);
  }

  /** Accepts a job once, however often it is asked for at a time. */
  function acceptOnce(job: Job, maySend: MaySend): Promise<void> {
    const key = job.idempotencyKey;
    const pending = starting.get(key) ?? accept(job, maySend).finally(() => starting.delete(key));
    starting.set(key, pending);
    return pending;
  }

  return {
    async start(job, { maySend }) {
      const key = job.idempotencyKey;
      if (!KEY.test(key)) {
        throw new UpstreamError('invalid_request', { message: 'The job key is malformed.', created: 'no' });
      }
      try {
        await acceptOnce(job, maySend);
      } catch (cause) {
        if (cause instanceof SendRefused) throw cause;
        // The spec is what makes a job; the rename that publishes it is the last thing that can fail.
        const created = (await exists(files, key)) ? 'unknown' : 'no';
        throw new UpstreamError('upstream_unavailable', { created, detail: String(cause), cause });
      }
      return { upstreamId: key, state: 'queued' };
    },

    // The key is the job: drawn again from the same request, it comes out as the same bytes.
    async resume(job) {
      if (KEY.test(job.idempotencyKey)) await acceptOnce(job, MAKES_NOTHING);
    },

    async ask({ upstreamId: key }) {
      if (!KEY.test(key)) return { state: 'missing' };
      const running = renders.get(key);
      if (running) return stateOf(running);
      const spec = await files.readSpec(key);
      if (!spec) return { state: 'missing' };
      if ((await files.videoBytes(key)) !== undefined) {
        return { state: 'succeeded', result: { ref: videoName(key), duration: spec.duration } };
      }
      const failure = await files.readFailure(key);
      if (failure) return { state: 'failed', ...failure };
      const resumed = renders.enqueue(key, spec);
      return resumed ? stateOf(resumed) : { state: 'queued' };
    },

    async open({ upstreamId: key }, _result, offset) {
      // A job of another node may be drawn again at this moment, for a video that is known to be finished.
      await renders.get(key)?.ended;
      const bytes = KEY.test(key) ? await files.videoBytes(key) : undefined;
      if (bytes === undefined) {
        throw new UpstreamError('result_lost', { message: 'The rendered file is gone.' });
      }
      return { stream: files.openVideo(key, offset), bytes, offset };
    },

    async find({ idempotencyKey: key }) {
      await starting.get(key)?.catch(() => {});
      return lookedUp((await exists(files, key)) ? key : undefined);
    },

    async cancel({ upstreamId: key }) {
      if (!(await exists(files, key))) return 'too_late';
      if ((await files.videoBytes(key)) !== undefined || (await files.readFailure(key))) return 'too_late';
      // Before the render ends, which makes somebody ask: a job without an end would be drawn again.
      await files.saveFailure(key, { reason: 'cancelled', message: 'The render was cancelled.' });
      await renders.abort(key, new Error('cancelled'));
      return (await files.videoBytes(key)) === undefined ? 'cancelled' : 'too_late';
    },

    async discard({ upstreamId: key }) {
      if (!KEY.test(key)) return;
      await renders.abort(key, new Error('discarded'));
      await files.remove(key);
    },

    onHint(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    close: () => renders.close(),
  };
}

const stateOf = ({ started, progress }: Render) =>
  started ? ({ state: 'in_progress', progress } as const) : ({ state: 'queued' } as const);

const exists = async (files: JobFiles, key: string): Promise<boolean> =>
  KEY.test(key) && (await files.readSpec(key)) !== undefined;
