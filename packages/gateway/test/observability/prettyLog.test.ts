import { expect, it } from 'vitest';
import { createLog } from '../../src/observability/log.ts';
import { prettyLine } from '../../src/observability/prettyLog.ts';

function shown(colour: boolean, write: (log: ReturnType<typeof createLog>) => void): string {
  let text = '';
  const format = prettyLine(colour);
  write(createLog('debug', { write: (line: string) => (text += format(line)) }));
  return text;
}

it('a line has the time of day, the level, the message, and then the fields', () => {
  const text = shown(false, (log) => log.warn({ task: 'video_1', wait: 3, where: 'two words' }, 'slow'));
  expect(text).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} {2}WARN {3}slow {2}task=video_1 {2}wait=3 {2}where="two words"\n$/,
  );
});

it('an error has its stack below', () => {
  const text = shown(false, (log) => log.error({ err: new Error('no room') }, 'not stored'));
  expect(text).toMatch(/ERROR {2}not stored\n {4}Error: no room\n {4} +at /);
});

it('caller input cannot move the cursor, colour the terminal, or imitate another line', () => {
  const nasty = 'x\u001b[2J\u009b31m\r\n12:00:00.000  INFO  forged\u202e';
  const text = shown(false, (log) => log.info({ url: nasty, [nasty]: 1 }, nasty));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that must not be there
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  expect(text.match(/\n/g)).toHaveLength(1);
});

it('it is coloured if so configured, and a line that is no JSON passes unchanged', () => {
  expect(shown(true, (log) => log.info('up'))).toContain('\u001b[32mINFO ');
  expect(prettyLine(true)('not json\n')).toBe('not json\n');
});
