import { ConflictError, type ListParams, type Onetake, type Task } from '@onetake/client';
import { invalidRequest } from '../../tasks/errors.ts';
import { described as videoOf } from '../demo/client.ts';
import { catchInterruption } from '../interruption.ts';
import { usageError } from '../usage.ts';
import { connectionOf, type Given, openClient } from './connection.ts';
import { reporting } from './failure.ts';
import { modelOf } from './models.ts';
import { checkOutput, commandFor, described, folded, printJson, STDOUT, save, timeOf } from './output.ts';
import { pairOf } from './request.ts';

type Shown = Given & { readonly json?: true | undefined };

interface DownloadWishes extends Shown {
  readonly output?: string | undefined;
  readonly thumbnail?: true | undefined;
}

interface ListWishes extends Shown {
  readonly status?: NonNullable<ListParams['status']> | undefined;
  readonly model?: string | undefined;
  readonly metadata?: readonly string[] | undefined;
  readonly limit: string;
}

/** Tasks of one page. The gateway has at most so many. */
const PAGE = 100;

/** Calls with a client of the gateway that is meant, until Ctrl-C. */
async function calling(given: Given, work: (client: Onetake, signal: AbortSignal) => Promise<void>) {
  const client = openClient(connectionOf(given, process.env));
  const { signal } = catchInterruption();
  await reporting(() => work(client, signal));
}

/** `onetake get ID`. */
export const getCommand = (id: string, { json, ...given }: Shown): Promise<void> =>
  calling(given, async (client, signal) => printTask(await client.get(id, { signal }), json));

/** `onetake cancel ID`. */
export const cancelCommand = (id: string, { json, ...given }: Shown): Promise<void> =>
  calling(given, async (client, signal) => {
    const task = await client.cancel(id, { signal });
    if (json) return printJson(task);
    const asked = task.cancel_requested ? ', cancelling: onetake wait tells how it ends' : '';
    const status = task.error?.reason === 'cancelled' ? 'cancelled' : task.status;
    process.stdout.write(`${id} ${status}${asked}\n`);
  });

/** `onetake delete ID`. */
export const deleteCommand = (id: string, given: Given): Promise<void> =>
  calling(given, async (client, signal) => {
    await client.delete(id, { signal });
    process.stdout.write(`${id} deleted\n`);
  });

/** `onetake download ID`. */
export async function downloadCommand(id: string, wishes: DownloadWishes): Promise<void> {
  const { output = `${id}.${wishes.thumbnail ? 'jpg' : 'mp4'}`, thumbnail, json, ...given } = wishes;
  if (json && output === STDOUT) throw usageError('--json and -o - would both write to standard output.');
  await checkOutput(output);
  await calling(given, async (client, signal) => {
    const variant = thumbnail ? 'thumbnail' : 'video';
    const saved = await save(client, id, output, { variant, signal }).catch(async (error) => {
      const { status } = error instanceof ConflictError ? await client.get(id, { signal }) : {};
      if (status !== 'queued' && status !== 'in_progress') throw error;
      const wait = commandFor('wait', id, given, thumbnail ? undefined : output);
      throw invalidRequest(`The video is not ready: the task is ${status}. Wait for it with:\n  ${wait}`);
    });
    if (json) printJson({ task_id: id, ...saved });
    else if (output !== STDOUT) process.stdout.write(`${output}\n`);
  });
}

/** `onetake list`: the newest first. */
export async function listCommand(wishes: ListWishes): Promise<void> {
  const { status, model, metadata = [], limit, json, ...given } = wishes;
  const most = Number(limit);
  if (!Number.isInteger(most) || most < 1)
    throw usageError(`--limit takes a number of tasks, not "${limit}".`);
  const params: ListParams = {
    // One more than is shown tells whether there are more.
    limit: Math.min(most + 1, PAGE),
    metadata: Object.fromEntries(metadata.map((pair) => pairOf('--metadata', pair))),
    ...(status === undefined ? {} : { status }),
    ...(model === undefined ? {} : { model }),
  };
  await calling(given, async (client, signal) => {
    const tasks: Task[] = [];
    let hasMore = false;
    for await (const task of client.list(params, { signal })) {
      hasMore = tasks.length === most;
      if (hasMore) break;
      tasks.push(task);
      if (!json) process.stdout.write(`${rowOf(task)}\n`);
    }
    if (hasMore)
      process.stderr.write(
        `There are more than the newest ${most}: --limit ${5 * most} shows up to ${5 * most}.\n`,
      );
    // Whoever mistyped a model must not believe that it has no tasks.
    if (tasks.length === 0 && model !== undefined) modelOf(model, await client.models({ signal }));
    if (json) printJson(tasks);
    else if (tasks.length === 0) process.stderr.write(`${emptyBecause(params)}\n`);
  });
}

const emptyBecause = ({ status, model, metadata = {} }: ListParams): string =>
  status === undefined && model === undefined && Object.keys(metadata).length === 0
    ? 'The project has no tasks yet.'
    : 'No task matches.';

function rowOf(task: Task): string {
  const { task_id: id, status, created_at: at, model, error } = task;
  const what = status === 'succeeded' ? videoOf(task) : (error?.reason ?? task.waiting_for ?? '');
  return folded([id, timeOf(at), status.padEnd(11), model, what], process.stdout);
}

function printTask(task: Task, json: true | undefined): void {
  if (json) printJson(task);
  else process.stdout.write(described(task));
}
