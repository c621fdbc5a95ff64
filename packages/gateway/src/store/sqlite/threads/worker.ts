import { parentPort, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';
import { watchFiles } from '../../folder/files.ts';
import { openSqliteFile, sqlitePath } from '../file.ts';
import { createGroupCommit } from '../groupCommit.ts';
import { connectionOf } from '../operations/connection.ts';
import { createReads } from '../operations/reads.ts';
import { createWrites, rides } from '../operations/writes.ts';
import { errorToData } from './errors.ts';
import { execute, type SentCall } from './remote.ts';
import type { Answer, ThreadData, ThreadMessage } from './thread.ts';

// The threads of the embedded store: one has the connection that writes, the other reads many rows.

const { role, dir, lockPatienceMs } = workerData as ThreadData;
if (!parentPort) throw new Error('this is the program of a thread');
const port = parentPort;

/** What an end of the thread waits for, after the calls before it are answered. */
interface Work {
  take(calls: readonly SentCall[]): void;
  end(): Promise<void>;
}

const empty = () => ({ done: [], failed: [], delivery: false }) satisfies Answer;

/** All calls of a message are written in one group, and so are those of the messages that have come while the group before it was synced. */
async function writing(): Promise<Work> {
  const db = await openSqliteFile(dir);
  let answer: Answer = empty();
  const inGroup = createGroupCommit(db, {
    ...(lockPatienceMs === undefined ? {} : { lockPatienceMs }),
    requireWritable: watchFiles([sqlitePath(dir), `${sqlitePath(dir)}-wal`]),
  });
  const writes = createWrites(connectionOf(db), () => {
    answer.delivery = true;
  });

  function post(): void {
    if (answer.done.length + answer.failed.length === 0) return;
    port.postMessage(answer);
    answer = empty();
  }

  /** The calls of a group are settled one right after the other: they are answered together. */
  function settled(): void {
    if (answer.done.length + answer.failed.length === 1) queueMicrotask(post);
  }

  return {
    take(calls) {
      for (const [number, name, args] of calls)
        inGroup(() => execute(writes, name, args), { rides: rides(name, args) }).then(
          (value) => {
            answer.done.push([number, value]);
            settled();
          },
          (error) => {
            answer.failed.push([number, errorToData(error)]);
            settled();
          },
        );
    },
    async end() {
      // One more turn of the group commit: all calls before it are settled by then, if only because the file was locked for too long.
      await inGroup(() => undefined).catch(() => undefined);
      post();
      db.close();
    },
  };
}

/** One after the other, each answered at once. */
function reading(): Work {
  // Nobody else waits while this thread waits for a lock.
  const db = new Sqlite(sqlitePath(dir), { readonly: true, timeout: 5000 });
  const reads = createReads(connectionOf(db));
  return {
    take(calls) {
      for (const [number, name, args] of calls) {
        const answer: Answer = empty();
        try {
          answer.done.push([number, execute(reads, name, args)]);
        } catch (error) {
          answer.failed.push([number, errorToData(error)]);
        }
        port.postMessage(answer);
      }
    },
    async end() {
      db.close();
    },
  };
}

const work = role === 'writer' ? await writing() : reading();
port.on('message', (message: ThreadMessage) => {
  if (message !== 'end') return work.take(message);
  void work.end().then(() => port.close());
});
