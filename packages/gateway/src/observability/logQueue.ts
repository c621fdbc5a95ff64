/** The size of the queue in bytes: a few thousand lines, enough for a reader of a pipe that pauses. */
const QUEUE_BYTES = 2 ** 20;
/** The most bytes of one write. */
const WRITE_BYTES = 2 ** 16;
/** The number of lines dropped at this position. */
interface Gap {
  missing: number;
}
type Entry = string | Gap;

/** Log lines that wait to be written. Lines beyond its size are dropped and counted. */
export interface LogQueue {
  readonly isEmpty: boolean;
  /** The number of lines dropped since the start. */
  readonly dropped: number;
  /** Adds a line; false if there is no room, and it was dropped. */
  push(line: string): boolean;
  /** Takes the lines of one write. If lines are missing before them, `text` begins with a line that reports how many. */
  take(): { readonly text: string; readonly missing: number };
  /** Drops `lines` that were taken but not written, after the `missing` ones whose report was not written either. */
  dropFirst(lines: number, missing: number): void;
  /** Takes every line, without reports of gaps. */
  takeRest(): string;
}

/** `format` is applied to the lines that report gaps. */
export function createLogQueue(format: (line: string) => string): LogQueue {
  /** Oldest line first. A gap marks where lines were dropped. */
  let queue: Entry[] = [];
  let queuedBytes = 0;
  let dropped = 0;

  function addGap(lines: number, place: 'push' | 'unshift'): void {
    const neighbour = place === 'push' ? queue.at(-1) : queue[0];
    if (typeof neighbour === 'object') neighbour.missing += lines;
    else queue[place]({ missing: lines });
  }

  return {
    get isEmpty() {
      return queue.length === 0;
    },
    get dropped() {
      return dropped;
    },
    push(line) {
      const bytes = Buffer.byteLength(line);
      if (queuedBytes + bytes > QUEUE_BYTES) {
        dropped += 1;
        addGap(1, 'push');
        return false;
      }
      queue.push(line);
      queuedBytes += bytes;
      return true;
    },
    take() {
      // A gap can only be the first entry of a write.
      const gap = queue[0];
      const missing = typeof gap === 'object' ? gap.missing : 0;
      let text = missing > 0 ? format(gapLine(missing)) : '';
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
    },
    dropFirst(lines, missing) {
      dropped += lines;
      addGap(lines + missing, 'unshift');
    },
    takeRest() {
      const rest = queue.filter((entry) => typeof entry === 'string').join('');
      queue = [];
      queuedBytes = 0;
      return rest;
    },
  };
}

const gapLine = (dropped: number): string =>
  `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped, msg: 'log lines that could not be written were dropped here' })}\n`;
