import { Readable } from 'node:stream';
import type { RenderInput, RenderSpec } from '@onetake/renderer';
import type { Logger } from 'pino';
import { NativeCrash, NativePoolClosed } from '../../native/errors.ts';
import type { NativePool } from '../../native/pool.ts';
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
import { createPreviewFiles, type PreviewFiles, type RenderFailure, videoName } from './jobFiles.ts';
import { removeLeftovers } from './leftovers.ts';
import { specOf } from './request.ts';

const RENDER_JOB = new URL('./render.job.ts', import.meta.url);

/** A render that crashes its child is tried once more: the crash may have been the machine's (memory, a kill). */
const TRIES = 2;

/** Keys become file names, so only what our keys look like is one. */
const KEY = /^[0-9a-f]{32}$/;

/** A render that waits for a child or runs in one. */
interface Render {
  progress: number;
  started: boolean;
  readonly abort: AbortController;
  ended: Promise<void> | undefined;
}

/**
 * The built-in renderer as a provider: draws from the prompt with plain graphics, free and on this machine. Its
 * jobs live in files under `dir`; what a crash interrupts is rendered again, to the same bytes, when it is next asked about.
 */
export function createPreviewProvider(options: {
  readonly dir: string;
  readonly native: NativePool;
  readonly clock?: Clock;
  readonly log?: Pick<Logger, 'warn'>;
}): Provider {
  const { clock = systemClock } = options;
  const files = createPreviewFiles(options.dir);
  const renders = new Map<string, Render>();
  const starting = new Map<string, Promise<void>>();
  const listeners = new Set<(upstreamId: string) => void>();
  let closed = false;
  void removeLeftovers(options.dir, clock.now()).catch((error: unknown) =>
    options.log?.warn({ err: error }, 'old preview files could not be removed'),
  );

  const hint = (key: string): void => {
    for (const listener of listeners) listener(key);
  };

  /** Puts a job on the pool, unless it is there. */
  function enqueue(key: string, spec: RenderSpec): Render | undefined {
    const known = renders.get(key);
    if (closed || known) return known;
    const render: Render = { progress: 0, started: false, abort: new AbortController(), ended: undefined };
    renders.set(key, render);
    render.ended = work(key, spec, render).finally(() => {
      renders.delete(key);
      hint(key);
    });
    return render;
  }

  /** Renders and records the outcome. Never rejects. */
  async function work(key: string, spec: RenderSpec, render: Render): Promise<void> {
    try {
      await renderWithRetry(key, spec, render);
      await files.publishVideo(key);
    } catch (error) {
      // Aborted: the canceller records it. Closed: the next start of the gateway goes on.
      if (render.abort.signal.aborted || error instanceof NativePoolClosed) return;
      options.log?.warn({ err: error, key }, 'preview render failed');
      await files.saveFailure(key, failureOf(error)).catch((cause: unknown) => {
        // The spec stays, so the job is rendered again when it is next asked about.
        options.log?.warn({ err: cause, key }, 'preview failure could not be recorded');
      });
    }
  }

  async function renderWithRetry(key: string, spec: RenderSpec, render: Render): Promise<void> {
    const input: RenderInput = { spec, dir: options.dir, outPath: files.draftPath(key) };
    for (let attempt = 1; ; attempt++) {
      try {
        await options.native.run<RenderInput, void>(RENDER_JOB, input, {
          signal: render.abort.signal,
          onProgress(percent) {
            render.progress = percent;
            if (render.started) return;
            render.started = true;
            hint(key);
          },
        });
        return;
      } catch (error) {
        if (!(error instanceof NativeCrash) || attempt === TRIES) throw error;
      }
    }
  }

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
    enqueue(key, spec);
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
      const resumed = enqueue(key, spec);
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
      const render = renders.get(key);
      render?.abort.abort(new Error('cancelled'));
      await render?.ended;
      return (await files.videoBytes(key)) === undefined ? 'cancelled' : 'too_late';
    },

    async discard({ upstreamId: key }) {
      if (!KEY.test(key)) return;
      const render = renders.get(key);
      render?.abort.abort(new Error('discarded'));
      await render?.ended;
      await files.remove(key);
    },

    onHint(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      closed = true;
      const ending = [...renders.values()];
      for (const { abort } of ending) abort.abort(new NativePoolClosed());
      await Promise.all(ending.map(({ ended }) => ended));
    },
  };
}

const stateOf = ({ started, progress }: Render) =>
  started ? ({ state: 'in_progress', progress } as const) : ({ state: 'queued' } as const);

const exists = async (files: PreviewFiles, key: string): Promise<boolean> =>
  KEY.test(key) && (await files.readSpec(key)) !== undefined;

function failureOf(error: unknown): RenderFailure {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { reason: 'upstream_failed', message: 'The built-in renderer could not make this video.', detail };
}
