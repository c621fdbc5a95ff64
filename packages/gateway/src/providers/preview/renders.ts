import { setTimeout as sleep } from 'node:timers/promises';
import type { RenderInput, RenderSpec } from '@onetake/renderer';
import { NativeCrash, NativeJobError, NativePoolClosed } from '../../native/errors.ts';
import type { NativePool } from '../../native/pool.ts';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import type { JobFiles, RenderFailure } from './jobFiles.ts';

const RENDER_JOB = new URL('./render.job.ts', import.meta.url);

/** A render that crashes its child is tried once more: the machine may have caused the crash (out of memory, a kill). */
const TRIES = 2;

/** Before a render is tried again that failed without having to do with the video. Milliseconds. */
const PAUSE_MS = 1000;

/** A render that waits for a child or runs in one. */
export interface Render {
  /** 0-100. */
  readonly progress: number;
  /** When a child began it, milliseconds UTC. */
  readonly startedAt: number | undefined;
  /** Resolves once the outcome is in the files, or the render was aborted. Never rejects. */
  readonly ended: Promise<void>;
}

/** The renders of this process, by the key of the job. */
export interface Renders {
  get(key: string): Render | undefined;
  /** Puts a job on the pool, unless it is there already. Returns undefined once closed. */
  enqueue(key: string, spec: RenderSpec): Render | undefined;
  /** Kills the child of a render and waits for its end. Records nothing. */
  abort(key: string, reason: Error): Promise<void>;
  close(): Promise<void>;
}

type RunningRender = { -readonly [K in keyof Render]: Render[K] } & { readonly abort: AbortController };

/** Runs renders on the native pool and records their outcome in `files`. Calls `onChange` when a render begins and when it is over. */
export function createRenders(parts: {
  readonly dir: string;
  readonly files: JobFiles;
  readonly native: NativePool;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'> | undefined;
  readonly onChange: (key: string) => void;
}): Renders {
  const { dir, files, native, clock, log, onChange } = parts;
  const renders = new Map<string, RunningRender>();
  let closed = false;

  /** Renders and records the outcome. Never rejects. */
  async function run(key: string, spec: RenderSpec, render: RunningRender): Promise<void> {
    try {
      await renderWithRetry(key, spec, render);
      await files.publishVideo(key);
    } catch (error) {
      // Aborted: the canceller records the outcome. Closed: the gateway renders the job again after its next start.
      if (render.abort.signal.aborted || error instanceof NativePoolClosed) return;
      log?.warn({ event: 'preview.render_failed', err: error, key }, 'preview render failed');
      if (isOurTrouble(error)) {
        // The spec stays, so the next poll renders the job again. It comes as soon as this ends.
        await sleep(PAUSE_MS, undefined, { signal: render.abort.signal }).catch(() => undefined);
        return;
      }
      await files.saveFailure(key, failureOf(error, clock.now())).catch((cause: unknown) => {
        // The spec stays, so the next poll renders the job again.
        log?.warn(
          { event: 'preview.record_failed', err: cause, key },
          'cannot record that a preview render failed',
        );
      });
    }
  }

  async function renderWithRetry(key: string, spec: RenderSpec, render: RunningRender): Promise<void> {
    const input: RenderInput = { spec, dir, outPath: files.draftPath(key) };
    for (let attempt = 1; ; attempt++) {
      try {
        await native.run<RenderInput, void>(RENDER_JOB, input, {
          signal: render.abort.signal,
          onProgress(percent) {
            render.progress = percent;
            if (render.startedAt !== undefined) return;
            render.startedAt = clock.now();
            onChange(key);
          },
        });
        return;
      } catch (error) {
        if (!(error instanceof NativeCrash) || attempt === TRIES) throw error;
      }
    }
  }

  return {
    get: (key) => renders.get(key),

    enqueue(key, spec) {
      const known = renders.get(key);
      if (closed || known) return known;
      const render: RunningRender = {
        progress: 0,
        startedAt: undefined,
        abort: new AbortController(),
        ended: Promise.resolve(),
      };
      renders.set(key, render);
      render.ended = run(key, spec, render).finally(() => {
        renders.delete(key);
        onChange(key);
      });
      return render;
    },

    async abort(key, reason) {
      const render = renders.get(key);
      render?.abort.abort(reason);
      await render?.ended;
    },

    async close() {
      closed = true;
      const ending = [...renders.values()];
      for (const { abort } of ending) abort.abort(new NativePoolClosed());
      await Promise.all(ending.map(({ ended }) => ended));
    },
  };
}

/** A full disk or a lack of descriptors is no verdict on a video. A file that a job does not find is: its images are gone. */
function isOurTrouble(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code !== undefined && !(error instanceof NativeJobError && code === 'ENOENT');
}

function failureOf(error: unknown, endedAt: number): RenderFailure {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const message = 'The built-in renderer could not make this video.';
  return { reason: 'upstream_failed', message, detail, endedAt };
}
