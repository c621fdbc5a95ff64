import { hash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { KEY } from './servers.ts';

/**
 * The least that a server can do to store a task durably: bare `node:http`, a look at the key, and the rows that the gateway inserts for a
 * submission, in a database of the same schema (indexes, triggers, WAL, `synchronous=FULL`). What arrived while the last group was synced
 * shares the next commit.
 *
 *   node bench/submits/bare.ts <data folder>
 */
interface Waiting {
  readonly body: { readonly model: string };
  readonly response: ServerResponse;
}

const [dir = ''] = process.argv.slice(2);
const db = await openDatabase(dir);
const keys = new Set([hash('sha256', KEY, 'hex')]);
const insert = prepare(db);
let queue: Waiting[] = [];

const server = createServer((request, response) => {
  const key = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  if (!keys.has(hash('sha256', key, 'hex'))) {
    response.writeHead(401).end();
    return;
  }
  receive(request, (text) => {
    if (queue.length === 0) setImmediate(commitGroup);
    queue.push({ body: JSON.parse(text), response });
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address) console.error(`listening on http://127.0.0.1:${address.port}`);
});

function receive(request: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.once('end', () => done(Buffer.concat(chunks).toString('utf8')));
}

function commitGroup(): void {
  const group = queue;
  queue = [];
  const at = Date.now();
  const answers = insert(group, at);
  for (const [index, { response }] of group.entries()) {
    const answer = answers[index] ?? '';
    response.writeHead(200, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(answer),
    });
    response.end(answer);
  }
}

/** Makes the schema with the gateway's own migrations. */
async function openDatabase(folder: string): Promise<Database> {
  const { href } = new URL('../../packages/gateway/src/store/sqlite/store.ts', import.meta.url);
  const { openSqliteStore } = await import(href);
  const store = await openSqliteStore({ dir: folder, exclusive: true });
  await store.close();
  const database = new Sqlite(join(folder, 'onetake.db'));
  for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'foreign_keys = ON'])
    database.pragma(pragma);
  return database;
}

function prepare(database: Database) {
  const task = database.prepare(`
    insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
    values (?, 'default', 'key', ?, ?, 'accepted', 1, 'node', 0, ?, ?, ?)`);
  const ledger = database.prepare(`
    insert into ledger (task_id, kind, project_id, key_id, amount_micros, currency, created_at)
    values (?, 'hold', 'default', 'key', 400000, 'USD', ?)`);
  const price = JSON.stringify({ currency: 'USD', microsPerSecond: 100_000, holdMicros: 400_000 });
  return database.transaction((group: readonly Waiting[], at: number): string[] =>
    group.map(({ body }) => {
      const id = randomUUID();
      task.run(
        id,
        body.model,
        JSON.stringify({ ...body, width: 1280, height: 720 }),
        at,
        at + 86_400_000,
        price,
      );
      ledger.run(id, at);
      return JSON.stringify({
        task_id: id,
        status: 'queued',
        format: 'mp4',
        created_at: Math.floor(at / 1000),
        model: body.model,
      });
    }),
  );
}
