import { Readable } from 'node:stream';
import type { MediaStorage, VideoInspector } from '@onetake/gateway';

/** Accepts everything and stores nothing, so that FFmpeg and the disk are not measured. `path` is an existing file. */
export function nullStorage(path: string): MediaStorage {
  const stat = { bytes: 1000, modifiedAt: 0 };
  const committed = new Set<string>();
  return {
    async write(key) {
      return {
        partial: 0,
        path,
        async append(stream) {
          let bytes = 0;
          for await (const piece of stream) bytes += piece.length;
          return bytes;
        },
        async commit() {
          committed.add(key);
          return stat;
        },
        abandon: async () => undefined,
        readNote: async () => undefined,
        writeNote: async () => undefined,
      };
    },
    stat: async (key) => (committed.delete(key) ? stat : undefined),
    read: async () => Readable.from([]),
    remove: async () => undefined,
    withLocalFile: (_key, use) => use(path),
    async *list() {},
    removeLeftovers: async () => 0,
    claim: async () => undefined,
    check: async () => undefined,
  };
}

/** Accepts every file. */
export const nullInspector: VideoInspector = {
  probe: async () => ({
    ok: true,
    probe: { container: 'mp4', duration: 4, width: 1280, height: 720, videoCodec: 'h264', fps: 24 },
  }),
  remux: async () => ({ ok: true }),
  digest: async () => '0'.repeat(64),
  follow: () => ({
    written: () => undefined,
    finish: async () => '0'.repeat(64),
    drop: () => undefined,
  }),
  prepare: async () => undefined,
  poster: (videoPath, use) => use(videoPath),
};
