import { createHash, randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VideoInspector } from '../../src/engine/parts.ts';

const HEADER = 20;
const DIGEST = 32;

export interface FakeVideo {
  /** The owner of the video, which determines its bytes. */
  readonly name: string;
  /** Seconds. */
  readonly duration: number;
  /** The size of the whole file. */
  readonly bytes?: number;
}

/** Bytes that stand for a video: their header has the length, their end is a digest of everything before. */
export function fakeVideo({ name, duration, bytes = 20_000 }: FakeVideo): Buffer {
  const file = Buffer.alloc(bytes, createHash('sha256').update(name).digest());
  file.write('FAKE', 0, 'latin1');
  file.writeUInt32BE(bytes, 4);
  file.writeUInt32BE(Math.round(duration * 1000), 8);
  file.writeUInt32BE(1280, 12);
  file.writeUInt32BE(720, 16);
  createHash('sha256')
    .update(file.subarray(0, -DIGEST))
    .digest()
    .copy(file, bytes - DIGEST);
  return file;
}

const bad = (detail: string) => ({ ok: false, problem: 'truncated', detail }) as const;

/** Reads what `fakeVideo` makes; a file with a missing or changed byte is bad. */
export const fakeInspector: VideoInspector = {
  prepare: async () => undefined,
  async probe(path) {
    const file = await readFile(path);
    if (file.length < HEADER || file.toString('latin1', 0, 4) !== 'FAKE') return bad('not a video');
    if (file.readUInt32BE(4) !== file.length) {
      return bad(`the container promises ${file.readUInt32BE(4)} bytes, ${file.length} are there`);
    }
    const digest = createHash('sha256').update(file.subarray(0, -DIGEST)).digest();
    if (!digest.equals(file.subarray(-DIGEST))) return bad('the bytes are damaged');
    return {
      ok: true,
      probe: {
        container: 'mp4',
        duration: file.readUInt32BE(8) / 1000,
        width: file.readUInt32BE(12),
        height: file.readUInt32BE(16),
        videoCodec: 'h264',
        fps: 24,
      },
    };
  },
  remux: async () => ({ ok: false, problem: 'not_mp4', detail: 'not a video' }),
  async digest(path) {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  },
  follow: (path) => ({
    written: () => undefined,
    async finish(length) {
      const bytes = await readFile(path);
      return createHash('sha256').update(bytes.subarray(0, length)).digest('hex');
    },
    drop: () => undefined,
  }),
  async poster(videoPath, use) {
    const file = await readFile(videoPath);
    const path = join(tmpdir(), `onetake-poster-${randomUUID()}.jpg`);
    await writeFile(path, file.subarray(0, HEADER));
    await use(path).finally(() => rm(path));
  },
};
