import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Onetake, Task } from '@onetake/client';
import { downloadToFile } from '@onetake/client/node';
import { invalidRequest } from '../../tasks/errors.ts';
import { commandLine } from '../npm.ts';
import { createProgressBar, type ProgressBar } from '../progressBar.ts';
import type { Given } from './connection.ts';
import { printable } from './failure.ts';

/** Standard output, as the file of a video. */
export const STDOUT = '-';

/** Throws if a video could not be saved there: better now than when it was made and paid for. */
export async function checkOutput(file: string): Promise<void> {
  if (file === STDOUT) {
    if (process.stdout.isTTY)
      throw invalidRequest('A video is nothing for a terminal; pipe it, or name a file: -o video.mp4.');
    return;
  }
  const is = await stat(file).catch(() => undefined);
  if (is?.isDirectory())
    throw invalidRequest(`${file} is a folder; name a file in it: -o ${join(file, 'video.mp4')}.`);
  const folder = dirname(resolve(file));
  await access(folder, constants.W_OK | constants.X_OK).catch(({ code }: NodeJS.ErrnoException) => {
    throw invalidRequest(
      `Nothing can be saved in the folder ${folder} (${code}); make it, or name another file with -o.`,
    );
  });
}

interface SaveOptions {
  readonly variant?: 'video' | 'thumbnail';
  readonly signal: AbortSignal;
}

/** What `--json` tells of a saved video. */
export interface Saved {
  readonly file: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

/** Saves a video, and shows how much of it is there if there is a terminal: a large one takes a while. */
export async function save(
  client: Onetake,
  taskId: string,
  file: string,
  options: SaveOptions,
): Promise<Saved> {
  const bar = process.stderr.isTTY ? createProgressBar(process.stderr) : undefined;
  const source = bar ? shownBy(bar, client) : client;
  try {
    if (file !== STDOUT) return { file, ...(await downloadToFile(source, taskId, file, options)) };
    const { body } = await source.download(taskId, options);
    await pipeline(Readable.fromWeb(body as never), process.stdout, { signal: options.signal, end: false });
    return { file };
  } finally {
    bar?.end();
  }
}

const shownBy = (bar: ProgressBar, client: Onetake): Pick<Onetake, 'download'> => ({
  async download(id, options) {
    const download = await client.download(id, options);
    let received = download.offset;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        received += piece.length;
        if (download.bytes !== undefined) bar.show((received / download.bytes) * 100, 'saving');
        controller.enqueue(piece);
      },
    });
    return { ...download, body: download.body.pipeThrough(counted) };
  },
});

export const printJson = (value: unknown): void =>
  void process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);

/** The command line that does something with a task at the same gateway. */
export function commandFor(command: string, taskId: string, { url }: Given, file?: string): string {
  const words = [command, taskId, ...(file === undefined ? [] : ['-o', quoted(file)])];
  return commandLine([...words, ...(url === undefined ? [] : ['--url', quoted(url)])].join(' '), process.env);
}

/** As a POSIX shell reads it. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** Every field of a task, one a line. */
export function described(task: Task): string {
  const { error, ...fields } = task;
  const rows = Object.entries(fields).map(([name, value]) => [name, shownOf(name, value)]);
  if (error) rows.push(['error', `${error.message} (${error.reason})`]);
  const width = Math.max(...rows.map(([name = '']) => name.length));
  return `${rows.map(([name = '', value]) => printable(`${name.padEnd(width)}  ${value}`)).join('\n')}\n`;
}

function shownOf(name: string, value: unknown): string {
  if (name.endsWith('_at') && typeof value === 'number') return timeOf(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** `seconds`: Unix time. */
export const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000', '');

/** Columns of a row, in lines that fit the terminal: those after the first are indented. A program that reads it gets one line. */
export function folded(
  columns: readonly string[],
  { isTTY, columns: width }: { readonly isTTY?: boolean; readonly columns?: number },
): string {
  const lines: string[] = [];
  for (const column of columns) {
    const longer = lines.length === 0 ? column : `${lines.at(-1)}  ${column}`;
    if (lines.length > 0 && isTTY && width && longer.trimEnd().length > width) lines.push(`  ${column}`);
    else lines.splice(-1, 1, longer);
  }
  return lines.map((line) => line.trimEnd()).join('\n');
}
