import { randomUUID } from 'node:crypto';
import { ConnectionError, type Onetake, type Progress, type Task, TaskFailedError } from '@onetake/client';
import { freeFile, described as videoOf } from '../demo/client.ts';
import { catchInterruption } from '../interruption.ts';
import { createProgressBar } from '../progressBar.ts';
import { usageError } from '../usage.ts';
import { connectionOf, type Given, openClient } from './connection.ts';
import { reporting } from './failure.ts';
import { checkOutput, commandFor, printJson, STDOUT, save } from './output.ts';
import { requestOf, type Wishes } from './request.ts';

interface WaitWishes extends Given {
  readonly output?: string | undefined;
  readonly timeout?: string | undefined;
  readonly json?: true | undefined;
}

interface GenerateWishes extends WaitWishes, Wishes {
  readonly detach?: true | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** `onetake generate PROMPT`: submits, waits and saves the video. */
export async function generateCommand(prompt: string, wishes: GenerateWishes): Promise<void> {
  const { output, json, detach, idempotencyKey = randomUUID() } = wishes;
  const timeout = checkedWait(wishes);
  const params = await requestOf(prompt, wishes);
  const client = openClient(connectionOf(wishes, process.env));
  if (output !== undefined) await checkOutput(output);
  const file = output ?? freeFile(params.prompt);

  const { signal } = catchInterruption();
  let next: string | undefined;
  await reporting(
    async () => {
      const submitted = await client.submit(params, { signal, idempotencyKey });
      const id = submitted.task_id;
      next = waitLater(id, wishes, file);
      for (const note of submitted.notes ?? []) process.stderr.write(`Note: ${note}\n`);
      if (detach) {
        if (json) printJson(submitted);
        else process.stdout.write(`${id}\n`);
        process.stderr.write(`${next}\n`);
        return;
      }
      const onMade = () => {
        next = saveLater(id, wishes, file);
      };
      await finish(client, id, { file, json, timeout, signal, known: submitted, onMade });
    },
    (error) => next ?? unknownSubmission(error, idempotencyKey),
  );
}

/** What to do after a submit whose outcome is not known. Undefined if the gateway has certainly not received it. */
const unknownSubmission = (error: unknown, key: string): string | undefined =>
  error instanceof ConnectionError && error.received === false
    ? undefined
    : `Whether a task was submitted is not known. The same command with --idempotency-key ${key} finds it, or submits it.`;

/** `onetake wait ID`: waits for the end of a task, and saves its video if `-o` says where. */
export async function waitCommand(id: string, wishes: WaitWishes): Promise<void> {
  const { output: file, json } = wishes;
  const timeout = checkedWait(wishes);
  const client = openClient(connectionOf(wishes, process.env));
  if (file !== undefined) await checkOutput(file);
  const { signal } = catchInterruption();
  let next: string | undefined;
  await reporting(
    async () => {
      // Fails at once if there is no such gateway or task. The wait itself bears an outage of minutes.
      const known = await client.get(id, { signal });
      next = waitLater(id, wishes, file);
      const onMade = () => {
        next = file === undefined ? undefined : saveLater(id, wishes, file);
      };
      await finish(client, id, { file, json, timeout, signal, known, onMade });
    },
    () => next,
  );
}

function checkedWait({ output, timeout, json }: WaitWishes): number | undefined {
  if (json && output === STDOUT) throw usageError('--json and -o - would both write to standard output.');
  if (timeout === undefined) return undefined;
  const seconds = Number(timeout);
  if (timeout.trim() === '' || !(seconds > 0))
    throw usageError(`--timeout takes seconds, such as 600, not "${timeout}".`);
  return seconds * 1000;
}

/** `file`: where the video was to be saved. */
const waitLater = (id: string, wishes: WaitWishes, file: string | undefined): string =>
  `The task goes on. Wait for it with:\n  ${commandFor('wait', id, wishes, file)}\n` +
  `Stop it with:\n  ${commandFor('cancel', id, wishes)}`;

const saveLater = (id: string, wishes: WaitWishes, file: string): string =>
  `The video is made. Save it with:\n  ${commandFor('download', id, wishes, file)}`;

interface Finish {
  readonly file: string | undefined;
  readonly json: true | undefined;
  readonly timeout: number | undefined;
  readonly signal: AbortSignal;
  readonly known: Progress;
  /** The task has succeeded. */
  readonly onMade: () => void;
}

/** Waits and saves. Progress is on standard error, and the result on standard output. */
async function finish(
  client: Onetake,
  id: string,
  { file, json, timeout, signal, known, onMade }: Finish,
): Promise<void> {
  const task = await waited(client, id, { json, timeout, signal, known });
  onMade();
  const saved = file === undefined ? undefined : await save(client, id, file, { signal });
  if (json) return printJson({ ...task, ...saved });
  process.stderr.write(`${videoOf(task)}\n`);
  if (saved?.file !== STDOUT) process.stdout.write(`${saved?.file ?? `${id} ${task.status}`}\n`);
}

async function waited(
  client: Onetake,
  id: string,
  { json, timeout, signal, known }: Omit<Finish, 'file' | 'onMade'>,
): Promise<Task> {
  // Lines of progress are for people; a bar removes itself from what a program reads.
  const bar = json && !process.stderr.isTTY ? undefined : createProgressBar(process.stderr);
  const onProgress = ({ status, progress = 0, waiting_for: waits }: Progress) =>
    bar?.show(progress, waits === undefined ? status : `${status}, waits: ${waits}`);
  onProgress(known);
  try {
    return await client.wait(id, { onProgress, signal, timeout });
  } catch (error) {
    if (json && error instanceof TaskFailedError) printJson(error.task);
    throw error;
  } finally {
    bar?.end();
  }
}
