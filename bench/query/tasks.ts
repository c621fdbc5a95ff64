import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AUTHORIZED, type Server } from './servers.ts';

const COLLECTION = '/v1/video/generations';

export const pathOf = (taskId: string): string => `${COLLECTION}/${taskId}`;

/** Submits the fastest video, and returns the id of its task once it has succeeded. */
export async function finishedTask(server: Server): Promise<string> {
  const id = await submit(server);
  for (;;) {
    const { status } = await call<{ status: string }>(server, 'GET', `${pathOf(id)}?wait=30`);
    if (status === 'succeeded') return id;
    if (status === 'failed') throw new Error('the task failed');
  }
}

/** The id of a task that is cancelled at once: finished as well, and without a video. */
export async function cancelledTask(server: Server): Promise<string> {
  const id = await submit(server);
  await call(server, 'POST', `${pathOf(id)}/cancel`);
  await call(server, 'GET', `${pathOf(id)}?wait=30`);
  return id;
}

async function submit(server: Server): Promise<string> {
  const video = {
    model: 'onetake-preview',
    prompt: 'a quiet lake at dawn',
    duration: 1,
    resolution: '480p',
  };
  return (await call<{ task_id: string }>(server, 'POST', COLLECTION, video)).task_id;
}

async function call<Answer>({ port }: Server, method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { ...AUTHORIZED, ...(body ? { 'content-type': 'application/json' } : {}) },
    body: body ? JSON.stringify(body) : null,
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

const COPY = `
  const [file, id, count] = process.argv.slice(1);
  const database = new (require('node:sqlite').DatabaseSync)(file, { timeout: 60000 });
  const columns = database.prepare("select name from pragma_table_info('tasks')").all().map(({ name }) => '"' + name + '"');
  const copied = columns.map((name) => name === '"id"' ? "printf('video_%032x', n)" : name === '"idempotency_key"' ? 'null' : name);
  database.exec(\`with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < \${count})
    insert into tasks (\${columns}) select \${copied} from tasks, numbers where id = '\${id}'\`);
`;

/** Stores this many copies of a task in the data folder of a gateway, and returns their ids. */
export async function copyTask(dataDir: string, taskId: string, count: number): Promise<readonly string[]> {
  // In a process of its own: a second SQLite in one that has the database open would release its locks.
  await promisify(execFile)(process.execPath, [
    '-e',
    COPY,
    join(dataDir, 'onetake.db'),
    taskId,
    String(count),
  ]);
  return Array.from({ length: count }, (_, index) => `video_${(index + 1).toString(16).padStart(32, '0')}`);
}
