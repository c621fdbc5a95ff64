import { z } from 'zod';
import { laterKey } from '../../media/key.ts';
import type { MediaWrite, Probe } from '../../media/media.ts';
import type { EngineParts } from '../parts.ts';
import { DamagedVideo, PROBE, type StagedVideo } from './staging.ts';

/** What is noted beside an MP4 that was made here and is whole. */
const NOTE = z.object({ total: z.number(), sha256: z.string(), probe: PROBE });

/** Seconds by which containers may count the same packets differently. */
const TOLERANCE = 0.25;

type RemuxingParts = Pick<EngineParts, 'storage' | 'inspector' | 'log'>;

/**
 * The staged video as the MP4 that callers are promised: itself, or what it becomes in another container, staged beside it. The
 * bytes of the upstream stay until the MP4 is in the storage, so that a crash in between costs nothing. Throws `DamagedVideo` where
 * there is no MP4 to be had from them.
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
    // Going on from these bytes would end the same way.
    await beside.abandon();
    await staged.write.abandon();
    throw made;
  }
  // Opened again: its length is what is there now.
  const write = await storage.write(besideKey);
  const sha256 = await inspector.digest(write.path);
  await write.writeNote({ total: write.partial, sha256, probe: made });
  const { container, videoCodec, audioCodec } = staged.probe;
  log.info(
    { event: 'video.remuxed', key, container, videoCodec, audioCodec, bytes: write.partial },
    'the upstream delivered another container than MP4; it was remuxed',
  );
  return { write: replacing(staged.write, write, key), bytes: write.partial, sha256, probe: made };
}

/** Measures of the MP4, which must be those of the original. */
async function remux(
  { inspector }: RemuxingParts,
  { write, probe }: StagedVideo,
  beside: MediaWrite,
): Promise<Probe | DamagedVideo> {
  const given = `${probe.container} with ${probe.videoCodec} and ${probe.audioCodec ?? 'no sound'} was delivered`;
  const verdict = await inspector.remux(write.path, beside.path);
  if (!verdict.ok) return new DamagedVideo({ ...verdict, detail: `${given}: ${verdict.detail}` });
  const made = await inspector.probe(beside.path);
  if (made.ok && isSame(probe, made.probe)) return made.probe;
  const found = made.ok ? JSON.stringify(made.probe) : made.detail;
  return new DamagedVideo({
    ok: false,
    problem: 'not_mp4',
    detail: `${given}; as an MP4 it is another: ${found}`,
  });
}

const isSame = (from: Probe, made: Probe): boolean =>
  made.container === 'mp4' &&
  made.width === from.width &&
  made.height === from.height &&
  made.videoCodec === from.videoCodec &&
  made.audioCodec === from.audioCodec &&
  Math.abs(made.duration - from.duration) <= TOLERANCE;

/** The MP4, to be stored in the original's place, which goes once that is done. */
const replacing = (original: MediaWrite, made: MediaWrite, key: string): MediaWrite => ({
  ...made,
  async commit(under = key) {
    const stat = await made.commit(under);
    await original.abandon();
    return stat;
  },
  async abandon() {
    await made.abandon();
    await original.abandon();
  },
});
