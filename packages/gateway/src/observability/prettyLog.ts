import { z } from 'zod';
import { valueOfJson } from '../tasks/text.ts';

const Line = z.looseObject({ level: z.string(), time: z.string(), msg: z.string().catch('') });
const Failure = z.looseObject({ stack: z.string() });

const COLOURS: Readonly<Record<string, number>> = { debug: 36, info: 32, warn: 33, error: 31, fatal: 31 };

/** Formats a JSON log line for reading on a terminal. */
export function prettyLine(colour: boolean): (line: string) => string {
  return (line) => {
    const parsed = Line.safeParse(valueOfJson(line));
    if (!parsed.success) return line;
    const { level, time, msg, err, ...facts } = parsed.data;
    const failure = Failure.safeParse(err);
    const shown = Object.entries(failure.success || err === undefined ? facts : { ...facts, err });
    const words = [
      clockTime(time),
      painted(level.toUpperCase().padEnd(5), colour ? COLOURS[level] : undefined),
      printable(msg),
      ...shown.map(([name, value]) =>
        painted(`${printable(name)}=${valueText(value)}`, colour ? 2 : undefined),
      ),
    ];
    const stack = failure.success
      ? `\n${failure.data.stack
          .split('\n')
          .map((row) => `    ${printable(row)}`)
          .join('\n')}`
      : '';
    return `${words.join('  ')}${stack}\n`;
  };
}

const painted = (text: string, code: number | undefined): string =>
  code === undefined ? text : `\x1b[${code}m${text}\x1b[0m`;

/** The time of day in the local time zone. */
function clockTime(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return printable(time);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function valueText(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value)
    ? printable(value)
    : printable(JSON.stringify(value));
}

/** Escapes control characters, so that text from callers cannot move the cursor or look like another line. */
const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0')}`,
  );
