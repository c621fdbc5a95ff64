import type { WriteStream } from 'node:tty';

/** Shows progress: a bar that redraws itself on a terminal, a plain line per change elsewhere. */
export interface ProgressBar {
  show(percent: number, label: string): void;
  end(): void;
}

const WIDTH = 32;
/** For a terminal that does not report its width. */
const COLUMNS = 80;
/** Without a terminal, a line is printed only this often, in percent. */
const PLAIN_STEP = 25;

export function createProgressBar(out: WriteStream | NodeJS.WritableStream): ProgressBar {
  const isTerminal = 'isTTY' in out && out.isTTY;
  let last = '';
  return {
    show(given, label) {
      const percent = Math.min(Math.max(Math.round(given) || 0, 0), 100);
      const line = isTerminal
        ? barOf(percent, label, out.columns || COLUMNS)
        : `${label} ${Math.floor(percent / PLAIN_STEP) * PLAIN_STEP}%`;
      if (line === last) return;
      last = line;
      out.write(isTerminal ? `\r\x1b[2K${line}` : `${line}\n`);
    },
    end() {
      if (isTerminal) out.write('\n');
    },
  };
}

/** Less than the terminal's width, because a line that wraps cannot be drawn again. What does not fit is left out, the bar first. */
function barOf(percent: number, label: string, columns: number): string {
  const words = `${String(percent).padStart(3)}%  ${label}`;
  const width = Math.min(WIDTH, columns - 1 - words.length - 1);
  const room = Math.max(columns - 1, 0);
  if (width < 1) return words.trimStart().slice(0, room);
  const filled = Math.round((percent / 100) * width);
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${words}`;
}
