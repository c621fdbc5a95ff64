import { fstatSync, write, writeSync } from 'node:fs';
import { isatty, type WriteStream } from 'node:tty';
import { createLogQueue } from './logQueue.ts';

/** The destination of the log. Writing never blocks: a line that cannot be written is dropped and counted. */
export interface LogOutput {
  write(line: string): void;
  /** The number of lines dropped since the start. */
  readonly dropped: number;
  /** Why lines are not being written, as a sentence without secrets; undefined while they are. */
  warning(): string | undefined;
  /** Resolves when everything is written, when writing fails, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
  /** Tries to write the queued lines once more while the process exits. */
  writeRest(): void;
}

/** Writes bytes without blocking the process. `done` gets the number of bytes written. */
export interface LogSink {
  write(bytes: Buffer, done: (error: Error | null, written: number) => void): void;
  /** Tries once more to write while the process exits. */
  writeAtExit(bytes: Buffer): void;
}

interface LogOutputParts {
  readonly sink: LogSink;
  /** Formats a line before it is written. */
  readonly format?: (line: string) => string;
}

/** The delay of a retry after a failure. Milliseconds. */
const RETRY_MS = 1000;
/** A write that takes longer is reported as stalled: the log is not being read. Milliseconds. */
const STALLED_MS = 5000;

export function createLogOutput({ sink, format = (line) => line }: LogOutputParts): LogOutput {
  const queue = createLogQueue(format);
  /** When the current write began, on a monotonic clock. */
  let writingSince: number | undefined;
  let retry: NodeJS.Timeout | undefined;
  let failure: string | undefined;
  /** Whether a failed write ended inside a line. */
  let torn = false;
  const waiters: (() => void)[] = [];

  function writeNext(): void {
    if (writingSince !== undefined || retry !== undefined) return;
    if (queue.isEmpty) {
      settle();
      return;
    }
    const { text, missing } = queue.take();
    writingSince = performance.now();
    writeAll(Buffer.from(torn ? `\n${text}` : text), missing);
  }

  /** Writes the rest of a chunk. If `missing` is not 0, the first line reports that many dropped lines. */
  function writeAll(bytes: Buffer, missing: number): void {
    sink.write(bytes, (error, written) => {
      const left = bytes.subarray(written);
      if (written > 0) torn = bytes[written - 1] !== NEWLINE;
      if (error === null && written > 0) {
        if (left.length > 0) {
          writeAll(left, 0);
          return;
        }
        writingSince = undefined;
        failure = undefined;
        writeNext();
        return;
      }
      writingSince = undefined;
      fail(error, left, written > 0 ? 0 : missing);
    });
  }

  function fail(error: Error | null, left: Buffer, missing: number): void {
    failure = error && 'code' in error ? String(error.code) : 'nothing was written';
    // The line that reports a gap is not a log line.
    const lines = countLines(left) - (missing > 0 ? 1 : 0);
    queue.dropFirst(lines, missing);
    retry = setTimeout(() => {
      retry = undefined;
      writeNext();
    }, RETRY_MS);
    retry.unref();
    settle();
  }

  function settle(): void {
    for (const wake of waiters.splice(0)) wake();
  }

  return {
    get dropped() {
      return queue.dropped;
    },

    write(line) {
      if (queue.push(format(line))) writeNext();
    },

    warning() {
      const lost = queue.dropped === 0 ? '' : ` ${queue.dropped} lines were dropped since the start.`;
      if (failure !== undefined) return `The log cannot be written (${failure}).${lost}`;
      const stalled = writingSince !== undefined && performance.now() - writingSince > STALLED_MS;
      return stalled ? `The log is not being read: standard output takes no more.${lost}` : undefined;
    },

    async flush(timeoutMs) {
      // Retry now instead of waiting: the cause of the failure may be gone.
      clearTimeout(retry);
      retry = undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
        writeNext();
      });
    },

    writeRest() {
      const rest = queue.takeRest();
      if (rest !== '') sink.writeAtExit(Buffer.from(rest));
    },
  };
}

const NEWLINE = 0x0a;
const STDOUT = 1;

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

/**
 * Standard output. For a pipe, a socket or a terminal, Node's stream is used, which polls: a thread of the pool that blocks in a
 * write would keep the process from exiting. A file or a device is written by the thread pool.
 */
export function standardOutput(): LogSink {
  return isFile(STDOUT) ? fileSink(STDOUT) : streamSink(process.stdout);
}

function isFile(fd: number): boolean {
  if (isatty(fd)) return false;
  const stat = fstatSync(fd);
  return !stat.isFIFO() && !stat.isSocket();
}

function fileSink(fd: number): LogSink {
  return {
    write(bytes, done) {
      write(fd, bytes, 0, bytes.length, null, (error, written) => done(error, error ? 0 : written));
    },
    writeAtExit(bytes) {
      try {
        writeSync(fd, bytes);
      } catch {
        // The process is exiting, so there is nowhere to report this.
      }
    },
  };
}

function streamSink(stream: WriteStream): LogSink {
  neverBlock(stream);
  return {
    write(bytes, done) {
      stream.write(bytes, (error) => done(error ?? null, error ? 0 : bytes.length));
    },
    writeAtExit(bytes) {
      stream.write(bytes);
    },
  };
}

/**
 * Keeps a standard stream from ending the process on an error, and from blocking it: Node writes to a terminal synchronously, and
 * a terminal stopped with Ctrl-S accepts nothing until its user resumes it.
 */
export function neverBlock(stream: WriteStream): void {
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  // There is no public API for this. If it disappears, only terminals block again.
  const { _handle: handle } = stream as { _handle?: { setBlocking?(on: boolean): void } };
  handle?.setBlocking?.(false);
}
