import type { NativePool } from '../../native/pool.ts';
import type { Log } from '../../observability/log.ts';
import { type Clock, systemClock } from '../../time/clock.ts';
import {
  type Abilities,
  type Answer,
  MAKES_NOTHING,
  type Provider,
  SendRefused,
  UpstreamError,
} from '../provider.ts';
import { lookedUp } from '../search/judge.ts';
import { createIntake } from './intake.ts';
import { createJobFiles, type JobFiles, removeLeftovers, videoName } from './jobFiles.ts';
import { createRenders, type Render } from './renders.ts';

export const PREVIEW_ABILITIES: Abilities = {
  cancel: 'any',
  find: 'full',
  resumeDownload: true,
  batchPolling: false,
  callbacks: false,
  hints: true,
  progress: true,
  queuePosition: false,
  startedAt: true,
  endedAt: true,
  pollAfter: false,
  discard: true,
  resumeJob: true,
  upstreamTime: false,
  fleet: false,
};

/** Keys become file names, so a key of any other form is refused. */
const KEY = /^[0-9a-f]{32}$/;

/**
 * The built-in renderer as a provider. It draws from the prompt with plain graphics, free of charge and on this machine. Its jobs
 * are files in `dir`. A render that a crash interrupts is repeated at the next poll, and gives the same bytes.
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
    clock,
    log,
    onChange(key) {
      for (const listener of listeners) listener(key);
    },
  });
  const intake = createIntake(files, renders);
  void removeLeftovers(dir, clock.now()).catch((error: unknown) =>
    log?.warn({ event: 'preview.cleanup_failed', err: error }, 'cannot remove old preview files'),
  );

  return {
    async submit(job, { maySend }) {
      const key = job.idempotencyKey;
      if (!KEY.test(key)) {
        throw new UpstreamError('invalid_request', { message: 'The job key is malformed.', created: 'no' });
      }
      try {
        await intake.accept(job, maySend);
      } catch (cause) {
        if (cause instanceof SendRefused) throw cause;
        // The job exists once its spec does. The rename that publishes the spec is the last step that can fail.
        const created = (await exists(files, key)) ? 'unknown' : 'no';
        throw new UpstreamError('upstream_unavailable', { created, detail: String(cause), cause });
      }
      return { upstreamId: key, state: 'queued' };
    },

    // It reads nothing but the fields of the request.
    refusedOptions: ({ providerOptions }) => Object.keys(providerOptions ?? {}),

    // Rendered again from the same request and key, a job gives the same bytes.
    async resume(job) {
      if (KEY.test(job.idempotencyKey)) await intake.accept(job, MAKES_NOTHING);
    },

    async poll({ upstreamId: key }) {
      if (!KEY.test(key)) return { state: 'missing' };
      const running = renders.get(key);
      if (running) return stateOf(running);
      const spec = await files.readSpec(key);
      if (!spec) return { state: 'missing' };
      const video = await files.video(key);
      if (video) {
        const result = { ref: videoName(key), duration: spec.duration };
        return { state: 'succeeded', result, endedAt: video.endedAt };
      }
      const failure = await files.readFailure(key);
      if (failure) return { state: 'failed', ...failure };
      const resumed = renders.enqueue(key, spec);
      return resumed ? stateOf(resumed) : { state: 'queued' };
    },

    async open({ upstreamId: key }, _result, offset) {
      // The video was finished on another node, and this node may be rendering it again.
      await renders.get(key)?.ended;
      const video = KEY.test(key) ? await files.video(key) : undefined;
      if (!video) {
        throw new UpstreamError('result_lost', { message: 'The rendered file is gone.' });
      }
      return { stream: files.openVideo(key, offset), bytes: video.bytes, offset };
    },

    async find({ idempotencyKey: key }) {
      await intake.settled(key);
      return lookedUp((await exists(files, key)) ? key : undefined);
    },

    async cancel({ upstreamId: key }) {
      if (!(await exists(files, key))) return 'too_late';
      if ((await files.video(key)) || (await files.readFailure(key))) return 'too_late';
      // Recorded before the render ends: its end triggers a poll, and a poll renders a job without an outcome again.
      const message = 'The render was cancelled.';
      await files.saveFailure(key, { reason: 'cancelled', message, endedAt: clock.now() });
      await renders.abort(key, new Error('cancelled'));
      return (await files.video(key)) ? 'too_late' : 'cancelled';
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

const stateOf = ({ startedAt, progress }: Render): Answer =>
  startedAt === undefined ? { state: 'queued' } : { state: 'in_progress', progress, startedAt };

const exists = async (files: JobFiles, key: string): Promise<boolean> =>
  KEY.test(key) && (await files.readSpec(key)) !== undefined;
