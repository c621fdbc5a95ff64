import { describe, expect, it } from 'vitest';
import { folded } from '../../../src/cli/remote/output.ts';

describe('a row of columns', () => {
  const ROW = [`video_${'0'.repeat(32)}`, '2026-11-30T16:00:00Z', 'failed     ', 'onetake-preview', ''];

  it('is one line for a program, and where it fits', () => {
    const line = ROW.join('  ').trimEnd();
    expect(folded(ROW, {})).toBe(line);
    expect(folded(ROW, { columns: 40 })).toBe(line);
    expect(folded(ROW, { isTTY: true, columns: line.length })).toBe(line);
  });

  it('is folded between its columns in a narrow terminal', () => {
    expect(folded(ROW, { isTTY: true, columns: 40 }).split('\n')).toEqual([
      ROW[0],
      '  2026-11-30T16:00:00Z  failed',
      '  onetake-preview',
    ]);
  });
});
