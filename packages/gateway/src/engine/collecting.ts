import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import type { MediaWrite, Probe } from '../media/media.ts';
import type { Handle, Provider } from '../providers/provider.ts';
import type { MediaRow } from '../store/store.ts';
import { taskError } from '../tasks/reasons.ts';
import type { Task, UpstreamResult } from '../tasks/task.ts';
import type { AccountState } from './accountState.ts';
import type { Hand, Hands } from './hand.ts';
import type { EngineParts } from './parts.ts';
import { pause } from './pause.ts';
import { asUpstreamError } from './submission.ts';
import { handleOf } from './tracking.ts';

/** Fetches finished videos into our storage, checks them, and only then lets the task succeed. */
export interface Collecting {
  collect(hand: Hand): void;
  /** Interrupts fetches; the next start goes on from the bytes that are there. Resolves when none runs. */
  stop(): Promise<void>;
}

interface CollectingParts extends EngineParts {
  readonly hands: Hands;
  readonly accountStates: ReadonlyMap<string, AccountState>;
}

/** Wait after a failed fetch, doubling to the maximum. Milliseconds. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** Whole fetches whose bytes turned out damaged before the video counts as lost. */
const MAX_DAMAGED = 3;
/** Fetches before a video counts as expired upstream: a clock that is wrong must not cost it at the first broken connection. */
const MIN_TRIES = 3;
/** One fetch: an upstream that trickles is left for another try, which goes on from the bytes that are there. Milliseconds. */
const FETCH_MS = 1_800_000;

/** The fetched bytes are not the whole video that the container promises. */
class DamagedVideo extends Error {}

export function createCollecting(parts: CollectingParts): Collecting {
  const { store, storage, inspector, hands, timers, settings, log } = parts;
  const limits = new Map<string, LimitFunction>();
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();

  /** Each account has its own places: an upstream whose storage hangs must not hold up the videos of the others. */
  function limitOf(accountId: string): LimitFunction {
    const limit = limits.get(accountId) ?? pLimit(settings.collectConcurrency);
    limits.set(accountId, limit);
    return limit;
  }

  async function run(hand: Hand): Promise<void> {
    const state = parts.accountStates.get(hand.task.attempt?.accountId ?? '');
    const handle = handleOf(hand.task.attempt);
    const first = hand.task.attempt?.upstreamResult;
    if (!handle || !first) throw new Error(`task ${hand.task.id} is storing without an upstream result`);
    let result: UpstreamResult = first;
    if (!state) return lose(hand, `account ${hand.task.attempt?.accountId} is not configured any more`);
    const { provider } = state.account;
    const limit = limitOf(state.account.id);

    const patientUntil = timers.now() + settings.collectPatienceMs;
    let damaged = 0;
    for (let failures = 0; !stopping.signal.aborted; ) {
      const wanted: UpstreamResult = result;
      // A place is held for a try alone, never between two: videos that cannot be fetched must not hold up those that can.
      const tried = await limit(async () => {
        if (stopping.signal.aborted) return undefined;
        try {
          return { stored: await collectOnce(hand.task, provider, handle, wanted) };
        } catch (error) {
          if (stopping.signal.aborted) return undefined;
          // First a new link, if there is one: the video behind an expired one may well be there.
          return { error, fresh: await freshResult(provider, handle) };
        }
      });
      if (!tried) return;
      if (tried.stored) {
        const event = { type: 'stored', result: tried.stored.result } as const;
        if (!(await hands.apply(hand, event, { media: tried.stored.media, insist: true }))) return;
        // The video is ours now: whether the upstream forgets its copy is its own affair.
        await provider.discard?.(handle, AbortSignal.timeout(settings.callTimeoutMs)).catch((error) => {
          log.warn({ task: hand.task.id, err: error }, 'the upstream would not forget a collected video');
        });
        return;
      }
      failures += 1;
      if (tried.error instanceof DamagedVideo) damaged += 1;
      const failure = asUpstreamError(tried.error);
      log.warn(
        { task: hand.task.id, failures, damaged, detail: failure.detail, err: tried.error },
        'collecting a video failed',
      );
      result = tried.fresh ?? result;
      const expired = failures >= MIN_TRIES && timers.now() >= (result.expiresAt ?? Number.POSITIVE_INFINITY);
      if (damaged >= MAX_DAMAGED || expired || timers.now() >= patientUntil)
        return lose(hand, failure.detail ?? failure.message);
      const backOff = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failures - 1, 10));
      await pause(timers, Math.max(failure.retryAfterMs ?? 0, backOff), stopping.signal);
    }
  }

  /** Links upstream expire sooner than the videos behind them: asking again may give a new one. */
  async function freshResult(provider: Provider, handle: Handle): Promise<UpstreamResult | undefined> {
    try {
      const answer = await provider.ask(handle, AbortSignal.timeout(settings.callTimeoutMs));
      return answer.state === 'succeeded' ? answer.result : undefined;
    } catch {
      // The loop around tells about the fetch that failed; this was only an attempt to help it.
      return undefined;
    }
  }

  async function collectOnce(task: Task, provider: Provider, handle: Handle, result: UpstreamResult) {
    // The same names for the same attempt: after a crash the rows and the bytes are found again, not made twice.
    const name = `${task.id.slice('video_'.length)}-${task.attempt?.number ?? 0}`;
    const row = (kind: 'video' | 'poster', id: string, extension: string, contentType: string): MediaRow => ({
      id,
      projectId: task.projectId,
      taskId: task.id,
      kind,
      storageKey: `${kind}/${id}.${extension}`,
      contentType,
      state: 'pending',
      createdAt: timers.now(),
    });
    const video = row('video', `${name}v`, 'mp4', 'video/mp4');
    const poster = row('poster', `${name}p`, 'jpg', 'image/jpeg');
    await store.putMedia([video, poster]);

    if (!(await storage.stat(video.storageKey))) {
      const write = await storage.write(video.storageKey);
      await fetchInto(write, provider, handle, result);
      await check(write);
      await write.commit();
    }
    const measured = await storage.withLocalFile(video.storageKey, async (path) => ({
      probe: await inspector.probe(path),
      sha256: await digest(path),
      hasPoster: await makePoster(path, poster.storageKey, task.id),
    }));
    const stat = await storage.stat(video.storageKey);
    if (!stat) throw new Error(`${video.storageKey} vanished from storage`);
    warnOfDifferences(task, measured.probe);

    const { probe, sha256, hasPoster } = measured;
    const expiresAt = timers.now() + settings.retentionMs;
    return {
      result: {
        videoId: video.id,
        ...(hasPoster ? { posterId: poster.id } : {}),
        bytes: stat.bytes,
        sha256,
        duration: probe.duration,
        width: probe.width,
        height: probe.height,
        videoCodec: probe.videoCodec,
        ...(probe.audioCodec ? { audioCodec: probe.audioCodec } : {}),
        expiresAt,
      },
      media: [
        { ...video, state: 'present' as const, bytes: stat.bytes, sha256, expiresAt },
        ...(hasPoster ? [{ ...poster, state: 'present' as const, expiresAt }] : []),
      ],
    };
  }

  async function fetchInto(
    write: MediaWrite,
    provider: Provider,
    handle: Handle,
    result: UpstreamResult,
  ): Promise<void> {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(FETCH_MS)]);
    const opened = await provider.open(handle, result, write.partial, signal);
    const total = await write.append(opened.stream, opened.offset);
    if (opened.bytes !== undefined && total !== opened.bytes) {
      if (total > opened.bytes) await write.abandon();
      throw new Error(`${total} of ${opened.bytes} bytes arrived`);
    }
  }

  async function check(write: MediaWrite): Promise<void> {
    try {
      await inspector.probe(write.path);
    } catch (error) {
      // Going on from damaged bytes would keep the damage.
      await write.abandon();
      throw new DamagedVideo(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** A video without a poster still is the video that was paid for: a failure here is only told. */
  async function makePoster(videoPath: string, storageKey: string, taskId: string): Promise<boolean> {
    const dir = await mkdtemp(join(tmpdir(), 'onetake-poster-'));
    try {
      const path = join(dir, 'poster.jpg');
      await inspector.poster(videoPath, path);
      const write = await storage.write(storageKey);
      await write.append(createReadStream(path), 0);
      await write.commit();
      return true;
    } catch (error) {
      log.warn({ task: taskId, err: error }, 'no poster could be made');
      return false;
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  function warnOfDifferences(task: Task, probe: Probe): void {
    const { width, height, duration } = task.request;
    if (probe.width === width && probe.height === height && Math.abs(probe.duration - duration) < 0.5) return;
    log.warn(
      {
        task: task.id,
        asked: { width, height, duration },
        delivered: { width: probe.width, height: probe.height, duration: probe.duration },
      },
      'the upstream delivered another size or duration than asked for',
    );
  }

  async function lose(hand: Hand, detail: string): Promise<void> {
    const message =
      'The video was made upstream, but it could not be fetched whole; you are not charged. Submit the task again.';
    await hands.apply(
      hand,
      { type: 'failed', error: taskError('result_lost', message), outcome: 'failed', detail },
      { insist: true },
    );
  }

  return {
    collect(hand) {
      const work = run(hand).catch((error) =>
        log.error({ task: hand.task.id, err: error }, 'collecting stopped; the next start takes it up again'),
      );
      underWay.add(work);
      void work.finally(() => underWay.delete(work));
    },
    async stop() {
      stopping.abort();
      await Promise.all(underWay);
    },
  };
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
