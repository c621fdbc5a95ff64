import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createProgressBar } from '../../src/cli/progressBar.ts';

function screen(columns: number | undefined, isTTY = true) {
  const written: string[] = [];
  const out = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  return { written, bar: createProgressBar(Object.assign(out, { isTTY, columns }) as never) };
}

it.each([undefined, 0, 1, 2, 5, 10, 20, 40, 79, 200])(
  'never wraps on a terminal of %s columns',
  (columns) => {
    const { written, bar } = screen(columns);
    for (const percent of [0, 1, 50, 99.6, 100, 120, -1, Number.NaN]) bar.show(percent, 'in_progress');
    bar.end();
    for (const line of written.slice(0, -1)) {
      expect([...line.replace('\r\u001b[2K', '')].length).toBeLessThan(Math.max(columns || 80, 1));
    }
  },
);

it('is a bar of its full width if there is room', () => {
  const { written, bar } = screen(80);
  bar.show(50, 'queued');
  expect(written.join('')).toContain(`${'█'.repeat(16)}${'░'.repeat(16)}  50%  queued`);
});

it('is a line per change without a terminal', () => {
  const { written, bar } = screen(undefined, false);
  for (const percent of [0, 10, 30, 100]) bar.show(percent, 'in_progress');
  expect(written).toEqual(['in_progress 0%\n', 'in_progress 25%\n', 'in_progress 100%\n']);
});
