import { readFileSync } from 'node:fs';
import { list } from '../../catalogue/words.ts';
import { createLog } from '../../observability/log.ts';
import { readProvider } from '../../providers/declared/load.ts';
import { abilitiesOf } from '../../providers/declared/provider.ts';
import type { ProviderFile } from '../../providers/declared/schema.ts';
import type { Abilities } from '../../providers/provider.ts';
import { usageError } from '../usage.ts';
import type { SentRequest } from './recordedAnswers.ts';
import { type Rehearsal, rehearse } from './rehearsal.ts';

/**
 * `onetake providers test FILE`: checks a file that declares a provider, shows what it would send, and compares its examples with what
 * would be made of them. Sends nothing to the provider.
 */
export async function testProvider(path: string): Promise<number> {
  const { files, problems } = readProvider(path, textOf(path));
  const [file] = files;
  const rehearsal = file && problems.length === 0 ? await rehearse(file, createLog('silent')) : undefined;
  const failed = [
    ...problems,
    ...(rehearsal?.samples.flatMap(({ about, problem }) => (problem ? [`${about}: ${problem}`] : [])) ?? []),
    ...(rehearsal?.examples.flatMap(({ name, problems: wrong }) =>
      wrong.map((one) => `example "${name}": ${one}`),
    ) ?? []),
  ];
  const lines = [
    ...(file && rehearsal ? report(file, rehearsal) : []),
    ...failed.map((one) => `problem  ${one}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return failed.length > 0 ? 1 : 0;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw usageError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function report(file: ProviderFile, { samples, examples }: Rehearsal): string[] {
  const right = examples.filter(({ problems }) => problems.length === 0);
  return [
    `${file.provider} (${file.title}): ${Object.keys(file.models).length} models, ${right.length} of ${examples.length} examples as expected`,
    ...samples.flatMap(({ about, sent }) => ['', about, ...(sent ? shown(sent) : ['  nothing is sent'])]),
    '',
    'What the gateway cannot do with it:',
    ...limitations(file, abilitiesOf(file)).map((one) => `- ${one}`),
    '',
  ];
}

/** Headers of the HTTP client, which say nothing about the file. */
const OF_CLIENT: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'accept',
  'content-type',
]);
/** Characters of a text in a body: a base64 image is long. */
const SHOWN_LENGTH = 80;

function shown({ method, path, headers, body }: SentRequest): string[] {
  const own = Object.entries(headers).filter(([name]) => !OF_CLIENT.has(name));
  const short = (_name: string, value: unknown) =>
    typeof value === 'string' && value.length > SHOWN_LENGTH ? `${value.slice(0, SHOWN_LENGTH)}…` : value;
  const text = typeof body === 'string' ? body : JSON.stringify(body, short, 2);
  return [
    `${method} ${path}`,
    ...own.map(
      ([name, value]) => `${name}: ${name === 'authorization' ? withoutToken(String(value)) : value}`,
    ),
    ...(text === undefined ? [] : text.split('\n')),
  ].map((line) => `  ${line}`);
}

/** The token of an account differs from this one, which is made of the names of its secrets. */
const withoutToken = (value: string): string => value.replace(/^(\S+) .*/, '$1 …');

function limitations(file: ProviderFile, can: Abilities): string[] {
  const { errors, job, limits, examples, callback } = file;
  const unshown = (['submit', 'poll', 'many', 'cancel', 'find'] as const).filter(
    (clause) => file[clause] && !examples.some((one) => one[clause] !== undefined),
  );
  const missing: readonly (string | false)[] = [
    can.find === 'none' &&
      'find: a submission whose answer is lost ends as submission_unknown, because nobody can tell whether it was received',
    can.find === 'unique' &&
      'find.list.newest_first: a lost submission can be found, but never be known to be absent; it may end as submission_unknown',
    can.cancel === 'none' && 'cancel: a job that is cancelled goes on at the provider, and is paid for',
    can.cancel === 'queued' && 'cancel: a job that runs cannot be stopped, and is paid for',
    !can.batchPolling && `many: each poll is about one job, of ${limits.polls_per_second} a second`,
    !can.callbacks && 'callback: ends are learnt by polls alone',
    callback !== undefined && 'callback: needs ONETAKE_PUBLIC_URL',
    !can.progress && 'job.progress: clients see no percentage',
    !can.endedAt && 'job.ended_at: how long jobs take is only known from polls',
    'url' in job.result && !job.result.hosts && 'job.result.hosts: links of results may lead to any host',
    errors.table.length === 0 && 'errors.table: refusals are told by their HTTP status alone',
    !Object.values(job.statuses).includes('failed') && 'job.statuses: no status means failed',
    unshown.length > 0 &&
      `examples: none shows that answers to ${list(unshown, 'and')} are read as they should be`,
  ];
  return missing.filter((one) => one !== false);
}
