import { AV_LOG_ERROR } from 'node-av/constants';
import { FFmpegError, Log } from 'node-av/lib';

// FFmpeg writes to stderr. Only errors are logged, because they may explain a crash of the process.
Log.setLevel(AV_LOG_ERROR);

/** Throws if FFmpeg returned an error. `what` completes "Could not …". */
export function check(code: number, what: string): void {
  FFmpegError.throwIfError(code, `Could not ${what}`);
}
