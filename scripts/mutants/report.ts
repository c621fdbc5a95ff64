import { FOLDERS } from './scope.ts';
import { isKilled, type Score, scoreOf, type Verdict } from './score.ts';

/** A verdict on one line. */
export function lineOf({ mutant, status, by }: Verdict): string {
  const { file, line, mutator, original, replacement } = mutant;
  return `${status.padEnd(9)} ${file}:${line} ${mutator}: ${short(original)} → ${short(replacement)} (${short(by, 160)})`;
}

/** The scores for the terminal, and the survivors as a document. */
export function report(verdicts: readonly Verdict[]): { readonly text: string; readonly document: string } {
  const rows = [...FOLDERS, '']
    .map((folder) => ({
      folder: folder.replace('packages/gateway/src/', '') || 'all',
      of: verdicts.filter(({ mutant }) => folder === '' || mutant.file.startsWith(`${folder}/`)),
    }))
    .filter(({ of }) => of.length > 0)
    .map(
      ({ folder, of }) =>
        `${folder.padEnd(15)} ${percentages(scoreOf(of.filter(isKilled).length, of.length))}`,
    );
  const survivors = verdicts
    .filter((verdict) => !isKilled(verdict))
    .sort((a, b) => a.mutant.file.localeCompare(b.mutant.file) || a.mutant.line - b.mutant.line)
    .map(lineOf);
  const timeouts = verdicts.filter(({ status }) => status === 'timeout').length;
  const text = [...rows, `${timeouts} of the killed hung or ran out of time.`].join('\n');
  return { text, document: `${text}\n\n${survivors.map((line) => `- ${line}`).join('\n')}\n` };
}

function percentages({ killed, total, share, low, high }: Score): string {
  const percent = (value: number) => `${(100 * value).toFixed(1)}%`;
  return `${percent(share).padStart(6)}  ${killed} of ${total} killed, 95%: ${percent(low)} to ${percent(high)}`;
}

function short(text: string, length = 70): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
