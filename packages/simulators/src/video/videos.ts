import type { StillFormat } from '@onetake/video';
import type { VideoSpec } from '../core/jobs/job.ts';
import type { Form } from '../core/jobs/markers.ts';
import { createMaker, type MakeRequest } from './maker.ts';

/** The number of colours. Each needs one encoding for every size and length. */
const HUES = 4;

interface VideoLook {
  readonly seed: number;
  readonly label: string;
  /** MP4 by default. */
  readonly form?: Form;
}

/** The bytes of results, encoded once for every size, length and colour. */
export interface Videos {
  /**
   * H.264 (VP9 in WebM), with AAC if `audio` (Opus in WebM) and the index of an MP4 in front. `label` makes the bytes unique. A
   * `page` is HTML that says so.
   */
  bytes(spec: VideoSpec, look: VideoLook): Promise<Buffer>;
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
    // Failures are not cached. The caller gets the error.
    making.catch(() => made.delete(key));
    return making;
  }

  return {
    async bytes(spec, { seed, label, form = 'mp4' }) {
      if (form === 'page') return Buffer.from(`<!doctype html><title>${label}</title><p>No video here`);
      const made = await make(form, spec, seed);
      return Buffer.concat([made, form === 'webm' ? voidElement(label) : freeBox(label)]);
    },
    still: (spec, seed, format) => make(format, spec, seed),
    spritesheet: (spec, seed) => make('sprites', spec, seed),
    close: () => maker.close(),
  };
}

/** RFC 8794, 11.3.2: an element whose content players skip, with its length in two bytes. */
function voidElement(label: string): Buffer {
  const text = Buffer.from(label);
  return Buffer.concat([Buffer.from([0xec, 0x40 | (text.length >> 8), text.length & 0xff]), text]);
}

/** ISO/IEC 14496-12, 8.1.2: a box whose content players skip, here at the end of the file. */
function freeBox(label: string): Buffer {
  const text = Buffer.from(label);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + text.length, 0);
  head.write('free', 4, 'latin1');
  return Buffer.concat([head, text]);
}
