import { AV_DISPOSITION_ATTACHED_PIC, AV_LOG_ERROR, AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { Dictionary, FormatContext, Log, type Stream } from 'node-av/lib';

/**
 * The containers a provider may answer with. FFmpeg also knows playlists and scripts that name other files and
 * addresses; a file that came from elsewhere must never reach those.
 */
const FORMATS = 'mov,mp4,matroska,webm,mpegts,avi';

// What FFmpeg says goes to the child's stderr, which explains a crash: errors alone are worth it.
Log.setLevel(AV_LOG_ERROR);

/** Opens a video file for reading, local bytes only; undefined where FFmpeg sees none of our containers in it. */
export async function openVideo(path: string): Promise<FormatContext | undefined> {
  const context = new FormatContext();
  const options = Dictionary.fromObject({ format_whitelist: FORMATS, protocol_whitelist: 'file' });
  if ((await context.openInput(path, null, options)) < 0) return undefined;
  if ((await context.findStreamInfo()) >= 0) return context;
  await context.closeInput();
  return undefined;
}

/** The video stream, but for cover pictures. */
export function videoStreamOf(context: FormatContext): Stream | undefined {
  return context.streams.find(
    ({ codecpar, disposition }) =>
      codecpar.codecType === AVMEDIA_TYPE_VIDEO && (disposition & AV_DISPOSITION_ATTACHED_PIC) === 0,
  );
}
