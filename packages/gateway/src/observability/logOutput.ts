import { fstatSync, write, writeSync } from 'node:fs';
import { isatty, type WriteStream } from 'node:tty';

/** Where the log goes. Nothing ever waits for it: a line that cannot be written is dropped and counted. */
export interface LogOutput {
  write(line: string): void;
  /** Lines dropped since the start. */
  readonly dropped: number;
  /** Why lines are not being written, in a sentence that anybody may read; undefined while they are. */
  warning(): string | undefined;
  /** Resolves when everything was written, cannot be, or `timeoutMs` have passed. */
  flush(timeoutMs: number): Promise<void>;
  /** Tries what waits once more while the process ends, however it ends. */
  writeRest(): void;
}

/** Writes bytes somewhere without blocking the process; `done` is told how many arrived. */
export interface LogSink {
  write(bytes: Buffer, done: (error: Error | null, written: number) => void): void;
  /** Tries once more while the process ends. */
  writeAtExit(bytes: Buffer): void;
}

interface LogOutputParts {
  readonly sink: LogSink;
  /** Changes a line on its way. */
  readonly format?: (line: string) => string;
}

/** Bytes that may wait: a few thousand lines, which a pipe takes up after a pause of its reader. */
const QUEUE_BYTES = 2 ** 20;
/** Bytes of one write. */
const WRITE_BYTES = 2 ** 16;
/** After a failure, until the next try. Milliseconds. */
const RETRY_MS = 1000;
/** A write that takes longer is told: nobody reads. Milliseconds. */
const STALLED_MS = 5000;

/** Lines that are missing at this place. */
interface Gap {
  missing: number;
}
type Entry = string | Gap;

export function createLogOutput({ sink, format = (line) => line }: LogOutputParts): LogOutput {
  /** Oldest first; a gap stands where lines are missing. */
  let queue: Entry[] = [];
  let queuedBytes = 0;
  let dropped = 0;
  /** When the write under way began, on a monotonic clock. */
  let writingSince: number | undefined;
  let retry: NodeJS.Timeout | undefined;
  let failure: string | undefined;
  /** A failed write has left part of a line. */
  let torn = false;
  const waiters: (() => void)[] = [];

  function drop(count: number, place: 'push' | 'unshift'): void {
    dropped += count;
    const neighbour = place === 'push' ? queue.at(-1) : queue[0];
    if (typeof neighbour === 'object') neighbour.missing += count;
    else queue[place]({ missing: count });
  }

  /** Takes from the queue what one write holds, and a gap only as its first line. */
  function take(): { text: string; missing: number } {
    const gap = queue[0];
    const missing = typeof gap === 'object' ? gap.missing : 0;
    let text = torn ? '\n' : '';
    if (missing > 0) text += format(gapLine(missing));
    let taken = missing > 0 ? 1 : 0;
    let size = 0;
    for (; taken < queue.length; taken++) {
      const entry = queue[taken];
      if (typeof entry !== 'string') break;
      const bytes = Buffer.byteLength(entry);
      if (size > 0 && size + bytes > WRITE_BYTES) break;
      text += entry;
      size += bytes;
    }
    queue = queue.slice(taken);
    queuedBytes -= size;
    return { text, missing };
  }

  function writeNext(): void {
    if (writingSince !== undefined || retry !== undefined) return;
    if (queue.length === 0) {
      settle();
      return;
    }
    const { text, missing } = take();
    writingSince = performance.now();
    writeAll(Buffer.from(text), missing);
  }

  /** Writes what is left of a chunk, whose first line tells of `missing` lines. */
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
    // The line that told of a gap is no line of the log; the lines that it told of are still missing.
    const lines = countLines(left) - (missing > 0 ? 1 : 0);
    dropped -= missing;
    drop(lines + missing, 'unshift');
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
      return dropped;
    },

    write(given) {
      const line = format(given);
      const bytes = Buffer.byteLength(line);
      if (queuedBytes + bytes > QUEUE_BYTES) {
        drop(1, 'push');
        return;
      }
      queue.push(line);
      queuedBytes += bytes;
      writeNext();
    },

    warning() {
      const lost = dropped === 0 ? '' : ` ${dropped} lines were dropped since the start.`;
      if (failure !== undefined) return `The log cannot be written (${failure}).${lost}`;
      const stalled = writingSince !== undefined && performance.now() - writingSince > STALLED_MS;
      return stalled ? `The log is not being read: standard output takes no more.${lost}` : undefined;
    },

    async flush(timeoutMs) {
      // Not waited for: what stands in the way may be gone.
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
      const rest = queue.filter((entry) => typeof entry === 'string').join('');
      queue = [];
      queuedBytes = 0;
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

const gapLine = (dropped: number): string =>
  `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped, msg: 'log lines that could not be written were dropped here' })}\n`;

/**
 * Standard output. A pipe, a socket or a terminal is written through Node's stream, which polls; a thread of the pool that
 * blocked there would keep the process from ending. A file or a device is written by that pool.
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
        // Nobody is left to tell.
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
 * Lets a standard stream fail without an end of the process, and never hold it up: Node writes to a terminal synchronously, and
 * one that was stopped with Ctrl-S takes nothing for as long as its user likes.
 */
export function neverBlock(stream: WriteStream): void {
  if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
  // No public name leads there; where it is gone one day, terminals block again and nothing else changes.
  const { _handle: handle } = stream as { _handle?: { setBlocking?(on: boolean): void } };
  handle?.setBlocking?.(false);
}
