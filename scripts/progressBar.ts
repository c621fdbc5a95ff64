import type { WriteStream } from 'node:tty';

/** Shows progress: a bar that redraws itself on a terminal, a plain line per change elsewhere. */
export interface ProgressBar {
  show(percent: number, label: string): void;
  end(): void;
}

const WIDTH = 32;
/** Elsewhere than on a terminal a line is worth printing only this often, in percent. */
const PLAIN_STEP = 25;

export function createProgressBar(out: WriteStream | NodeJS.WritableStream): ProgressBar {
  const isTerminal = 'isTTY' in out && out.isTTY;
  let last = '';
  return {
    show(percent, label) {
      const shown = isTerminal ? percent : Math.floor(percent / PLAIN_STEP) * PLAIN_STEP;
      const filled = Math.round((shown / 100) * WIDTH);
      const line = isTerminal
        ? `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${String(shown).padStart(3)}%  ${label}`
        : `${label} ${shown}%`;
      if (line === last) return;
      last = line;
      out.write(isTerminal ? `\r\x1b[2K${line}` : `${line}\n`);
    },
    end() {
      if (isTerminal) out.write('\n');
    },
  };
}
