import { constants } from 'node:os';
import { AV_DISPOSITION_ATTACHED_PIC, AV_LOG_ERROR, AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { avGetCodecName, Dictionary, FFmpegError, FormatContext, Log, type Stream } from 'node-av/lib';

/**
 * The containers that a provider may send. FFmpeg also supports playlists and scripts that refer to other files and
 * addresses; a file from outside must never reach those demuxers.
 */
const FORMATS = 'mov,mp4,matroska,webm,mpegts,avi';

// FFmpeg logs to the child's stderr, which is used to explain a crash, so only errors are logged.
Log.setLevel(AV_LOG_ERROR);

const { errno } = constants;
/**
 * Errors of the machine, not of the bytes. FFmpeg returns the system's error numbers, negated. EINVAL, ERANGE, EDOM and ENOSYS
 * are missing here because demuxers also use them for invalid bytes.
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

/** Throws if an FFmpeg error is not about the bytes: out of memory, file descriptors or disk space. */
export function throwIfMachine(code: number): void {
  if (MACHINE.has(code)) FFmpegError.throwIfError(code, 'Could not read the video');
}

/** Opens a file, with local bytes only; undefined if FFmpeg recognizes none of the allowed containers, by default those of videos. */
export async function openVideo(path: string, formats = FORMATS): Promise<FormatContext | undefined> {
  const context = new FormatContext();
  const options = Dictionary.fromObject({ format_whitelist: formats, protocol_whitelist: 'file' });
  const opened = await context.openInput(path, null, options);
  throwIfMachine(opened);
  if (opened < 0) return undefined;
  const found = await context.findStreamInfo();
  if (found >= 0) return context;
  await context.closeInput();
  throwIfMachine(found);
  return undefined;
}

/** FFmpeg's name for the codec of a stream. */
export const codecOf = ({ codecpar }: Stream): string => avGetCodecName(codecpar.codecId) ?? 'unknown';

/** The video stream; cover pictures do not count. */
export function videoStreamOf(context: FormatContext): Stream | undefined {
  return context.streams.find(
    ({ codecpar, disposition }) =>
      codecpar.codecType === AVMEDIA_TYPE_VIDEO && (disposition & AV_DISPOSITION_ATTACHED_PIC) === 0,
  );
}
