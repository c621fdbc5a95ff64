import type { VideoSpec } from '../core/job.ts';
import { createMaker, type MakeRequest, type StillFormat } from './maker.ts';

/** How many colours there are: each costs one encoding of every size and length. */
const HUES = 4;

/** The bytes of results, made once for every size, length and colour. */
export interface Videos {
  /** An MP4 (H.264, AAC where `audio`), index in front; `label` makes it unlike every other. */
  mp4(spec: VideoSpec, look: { readonly seed: number; readonly label: string }): Promise<Buffer>;
  /** Its last frame. */
  still(spec: VideoSpec, seed: number, format: StillFormat): Promise<Buffer>;
  /** Frames in a grid, as JPEG. */
  spritesheet(spec: VideoSpec, seed: number): Promise<Buffer>;
  close(): Promise<void>;
}

export function createVideos(): Videos {
  const maker = createMaker();
  const made = new Map<string, Promise<Buffer>>();

  function make(kind: MakeRequest['kind'], spec: VideoSpec, seed: number): Promise<Buffer> {
    const hue = (((seed % HUES) + HUES) % HUES) / HUES;
    const { width, height, seconds, audio } = spec;
    const key = `${kind} ${width}x${height} ${seconds} ${audio} ${hue}`;
    const known = made.get(key);
    if (known) return known;
    const making = maker.make({ kind, width, height, seconds, audio, hue });
    made.set(key, making);
    // A failure must not be remembered; who asked sees it.
    making.catch(() => made.delete(key));
    return making;
  }

  return {
    async mp4(spec, { seed, label }) {
      return Buffer.concat([await make('mp4', spec, seed), freeBox(label)]);
    },
    still: (spec, seed, format) => make(format, spec, seed),
    spritesheet: (spec, seed) => make('sprites', spec, seed),
    close: () => maker.close(),
  };
}

/** ISO/IEC 14496-12, 8.1.2: a box whose contents players skip, here at the end of the file. */
function freeBox(label: string): Buffer {
  const text = Buffer.from(label);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + text.length, 0);
  head.write('free', 4, 'latin1');
  return Buffer.concat([head, text]);
}
