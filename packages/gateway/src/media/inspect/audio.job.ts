import { AVMEDIA_TYPE_AUDIO } from 'node-av/constants';
import { openVideo } from './openVideo.ts';
import { extentOf, missingData } from './packets.ts';

/** The result of probing a sound file. */
export type AudioVerdict =
  | { readonly ok: true; readonly format: 'wav' | 'mp3'; readonly seconds: number }
  | { readonly ok: false; readonly problem: 'not_audio' | 'truncated' };

/** Runs in a native child: see `probeAudio`. */
export async function run({ path }: { path: string }): Promise<AudioVerdict> {
  const context = await openVideo(path, 'wav,mp3');
  if (!context) return { ok: false, problem: 'not_audio' };
  try {
    const stream = context.streams.find(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_AUDIO);
    if (!stream) return { ok: false, problem: 'not_audio' };
    const extent = await extentOf(context, stream);
    if (missingData(context, extent)) return { ok: false, problem: 'truncated' };
    return { ok: true, format: context.iformat?.name === 'wav' ? 'wav' : 'mp3', seconds: extent.streamEnd };
  } finally {
    await context.closeInput();
  }
}
