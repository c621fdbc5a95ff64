import { AV_LOG_ERROR } from 'node-av/constants';
import { FFmpegError, Log } from 'node-av/lib';

// FFmpeg writes to stderr, where it explains a crash of the process: errors alone are worth it.
Log.setLevel(AV_LOG_ERROR);

/** Throws where FFmpeg answers with an error. `what` completes "Could not …". */
export function check(code: number, what: string): void {
  FFmpegError.throwIfError(code, `Could not ${what}`);
}
