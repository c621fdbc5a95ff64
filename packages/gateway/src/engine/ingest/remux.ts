import { z } from 'zod';
import { laterKey } from '../../media/key.ts';
import type { MediaWrite, Probe } from '../../media/media.ts';
import type { EngineParts } from '../parts.ts';
import { DamagedVideo, PROBE, type StagedVideo } from './staging.ts';

/** The note stored beside a complete remuxed MP4. */
const NOTE = z.object({ total: z.number(), sha256: z.string(), probe: PROBE });

/** Tolerated difference between the durations that two containers give for the same packets, in seconds. */
const TOLERANCE = 0.25;

type RemuxingParts = Pick<EngineParts, 'storage' | 'inspector' | 'log'>;

/**
 * Returns the staged video as an MP4: itself if it is one, otherwise a remuxed copy that is staged beside it. The upstream's bytes
 * stay until the MP4 is in the storage, so that a crash in between loses nothing. Throws `DamagedVideo` if the video cannot be
 * remuxed.
 */
export async function asMp4(parts: RemuxingParts, key: string, staged: StagedVideo): Promise<StagedVideo> {
  if (staged.probe.container === 'mp4') return staged;
  const { storage, inspector, log } = parts;
  const besideKey = laterKey(key, 'remuxed');
  const beside = await storage.write(besideKey);
  const note = NOTE.safeParse(await beside.readNote()).data;
  if (
    note &&
    note.total === beside.partial &&
    note.sha256 === (await inspector.digest(beside.path).catch(() => undefined))
  ) {
    return { write: replacing(staged.write, beside, key), bytes: note.total, ...note };
  }
  await beside.abandon();
  const made = await remux(parts, staged, beside);
  if (made instanceof DamagedVideo) {
    // Resuming from these bytes would fail in the same way.
    await beside.abandon();
    await staged.write.abandon();
    throw made;
  }
  // Opened again to get the current length.
  const write = await storage.write(besideKey);
  const sha256 = await inspector.digest(write.path);
  await write.writeNote({ total: write.partial, sha256, probe: made });
  const { container, videoCodec, audioCodec } = staged.probe;
  const { contentCredentials } = made;
  log.info(
    {
      event: 'video.remuxed',
      key,
      container,
      videoCodec,
      audioCodec,
      contentCredentials,
      bytes: write.partial,
    },
    'the upstream delivered another container than MP4; it was remuxed',
  );
  return { write: replacing(staged.write, write, key), bytes: write.partial, sha256, probe: made };
}

/** Probes the remuxed MP4, which must have the same properties as the original. */
async function remux(
  { inspector }: RemuxingParts,
  { write, probe }: StagedVideo,
  beside: MediaWrite,
): Promise<Probe | DamagedVideo> {
  const given = `${probe.container} with ${probe.videoCodec} and ${probe.audioCodec ?? 'no sound'} was delivered`;
  const verdict = await inspector.remux(write.path, beside.path);
  if (!verdict.ok) return new DamagedVideo({ ...verdict, detail: `${given}: ${verdict.detail}` });
  const made = await inspector.probe(beside.path);
  if (made.ok && isSame(probe, made.probe)) {
    // Their signature is about the bytes of the other container, so FFmpeg leaves them out.
    return probe.contentCredentials === 'present'
      ? { ...made.probe, contentCredentials: 'broken' }
      : made.probe;
  }
  const found = made.ok ? JSON.stringify(made.probe) : made.detail;
  return new DamagedVideo({
    ok: false,
    problem: 'not_mp4',
    detail: `${given}; as an MP4 it has other properties: ${found}`,
  });
}

const isSame = (from: Probe, made: Probe): boolean =>
  made.container === 'mp4' &&
  made.width === from.width &&
  made.height === from.height &&
  made.videoCodec === from.videoCodec &&
  made.audioCodec === from.audioCodec &&
  Math.abs(made.duration - from.duration) <= TOLERANCE;

/** A write that stores the MP4 under the original's key and then removes the staged original. */
const replacing = (original: MediaWrite, made: MediaWrite, key: string): MediaWrite => ({
  ...made,
  async commit(under = key, options) {
    const stat = await made.commit(under, options);
    await original.abandon();
    return stat;
  },
  async abandon() {
    await made.abandon();
    await original.abandon();
  },
});
