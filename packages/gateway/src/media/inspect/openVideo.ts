import { constants } from 'node:os';
import { AV_DISPOSITION_ATTACHED_PIC, AV_LOG_ERROR, AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { Dictionary, FFmpegError, FormatContext, Log, type Stream } from 'node-av/lib';

/**
 * The containers a provider may answer with. FFmpeg also knows playlists and scripts that name other files and
 * addresses; a file that came from elsewhere must never reach those.
 */
const FORMATS = 'mov,mp4,matroska,webm,mpegts,avi';

// What FFmpeg says goes to the child's stderr, which explains a crash: errors alone are worth it.
Log.setLevel(AV_LOG_ERROR);

const { errno } = constants;
/**
 * Errors of the machine rather than of the bytes: FFmpeg passes on the system's numbers, negative. Those that demuxers also
 * use for odd bytes (EINVAL, ERANGE, EDOM, ENOSYS) are not among them.
 */
const MACHINE: ReadonlySet<number> = new Set(
  [
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.EAGAIN,
    errno.EINTR,
    errno.EBADF,
    errno.EBUSY,
    errno.ENODEV,
    errno.ENXIO,
    errno.ENOSPC,
    errno.ESTALE,
    errno.ETIMEDOUT,
  ].map((number) => -number),
);

/** Throws where an FFmpeg error says nothing about the bytes: memory, descriptors or the disk ran out. */
export function throwIfMachine(code: number): void {
  if (MACHINE.has(code)) FFmpegError.throwIfError(code, 'Could not read the video');
}

/** Opens a video file for reading, local bytes only; undefined where FFmpeg sees none of our containers in it. */
export async function openVideo(path: string): Promise<FormatContext | undefined> {
  const context = new FormatContext();
  const options = Dictionary.fromObject({ format_whitelist: FORMATS, protocol_whitelist: 'file' });
  const opened = await context.openInput(path, null, options);
  throwIfMachine(opened);
  if (opened < 0) return undefined;
  const found = await context.findStreamInfo();
  if (found >= 0) return context;
  await context.closeInput();
  throwIfMachine(found);
  return undefined;
}

/** The video stream, but for cover pictures. */
export function videoStreamOf(context: FormatContext): Stream | undefined {
  return context.streams.find(
    ({ codecpar, disposition }) =>
      codecpar.codecType === AVMEDIA_TYPE_VIDEO && (disposition & AV_DISPOSITION_ATTACHED_PIC) === 0,
  );
}
