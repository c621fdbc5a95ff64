import { existsSync } from 'node:fs';
import { livingNodes } from '../cluster/postgres/livingNodes.ts';
import { type Config, readConfig } from '../config/config.ts';
import { BACKUP, isMarked, unmarkFolder } from '../store/folder/marks.ts';
import { sqlitePath } from '../store/sqlite/file.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';
import type { Store } from '../store/store.ts';
import { invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { move } from '../tasks/lifecycle.ts';
import { taskError } from '../tasks/reasons.ts';
import type { Task } from '../tasks/task.ts';
import { systemClock } from '../time/clock.ts';
import { type Options, readOptions } from './arguments.ts';
import { commandLog, openCommandStore } from './store.ts';

/** Tasks read, and written, at a time. */
const BATCH = 500;

const MESSAGE =
  'The gateway was restored from a backup, and it cannot be told whether this task was submitted since. It was not submitted ' +
  'again, so that it cannot be billed twice; submit a new task if you want another try.';

export const RECOVER_OPTIONS = { json: { type: 'boolean', default: false } } as const satisfies Options;

/** A task that was failed, as it is told: what became of it is in its error. */
interface Failed {
  readonly task_id: string;
  readonly project: string;
  readonly model: string;
  readonly account: string | null;
  readonly why: string;
}

/**
 * `onetake recover [--json]`: makes a store that was restored from a backup safe to start. A task that was not yet with an upstream
 * when the backup was made may have been submitted, and billed, since: it fails as `submission_unknown` instead of being made twice.
 */
export async function recoverCommand(args: readonly string[]): Promise<number> {
  const { json } = readOptions(args, RECOVER_OPTIONS);
  const config = readConfig(process.env);
  await refuseRunning(config);
  const store = await openStopped(config);
  try {
    const tasks: Failed[] = [];
    const { failed, followed } = await recover(store, systemClock.now(), (task) => {
      if (json) tasks.push(failedOf(task));
      else process.stdout.write(`${Object.values(failedOf(task)).join('  ')}\n`);
    });
    // A gateway that was started meanwhile may have submitted what was about to fail.
    await refuseRunning(config);
    if (config.databaseUrl === undefined) unmarkFolder(config.dataDir, BACKUP);
    process.stdout.write(
      json
        ? `${JSON.stringify({ failed: tasks, followed })}\n`
        : `${failed} tasks that may have been submitted since the backup failed as submission_unknown; ${followed} that were upstream ` +
            'go on at the next start.\n',
    );
    const unreadable = store.unreadable();
    if (unreadable > 0) {
      process.stderr.write(
        `${unreadable} stored rows cannot be read and were left as they are. A gateway leaves them alone too; once they are ` +
          'mended, run this again before one starts.\n',
      );
    }
    return 0;
  } finally {
    await store.close();
  }
}

function failedOf({ id, projectId, request, phase, attempt }: Task): Failed {
  return {
    task_id: id,
    project: projectId,
    model: request.model,
    account: attempt?.accountId ?? null,
    why:
      phase === 'submitting'
        ? 'was being submitted when the backup was made'
        : 'waited when the backup was made, and may have been submitted since',
  };
}

/** Throws where a gateway is running: what waits there may be on its way upstream at this very moment. */
async function refuseRunning({ databaseUrl, databaseSessionUrl }: Config): Promise<void> {
  if (databaseUrl === undefined) return;
  const living = await livingNodes(databaseSessionUrl ?? databaseUrl);
  if (living.length === 0) return;
  throw invalidRequest(
    `Stop every gateway first, and run this again: ${living.join(', ')} are running on this database.`,
  );
}

async function openStopped(config: Config): Promise<Store> {
  if (config.databaseUrl !== undefined) return openCommandStore(config);
  if (!existsSync(sqlitePath(config.dataDir))) {
    throw invalidRequest(
      isMarked(config.dataDir, BACKUP)
        ? `The backup in ${config.dataDir} was interrupted before it was whole; use another one, or make it again with onetake backup.`
        : `There is no onetake.db in ${config.dataDir}; set ONETAKE_DATA_DIR to the restored folder.`,
    );
  }
  return openSqliteStore({ dir: config.dataDir, exclusive: true, recovering: true, log: commandLog });
}

/** As the command does, on an open store that nobody drives; `now` in milliseconds UTC. May be repeated. */
export async function recover(
  store: Store,
  now: number,
  /** Told of each task that was failed, as it was before. */
  onFailed: (task: Task) => void = () => undefined,
): Promise<{ failed: number; followed: number }> {
  const error = taskError('submission_unknown', MESSAGE);
  let failed = 0;
  let followed = 0;

  async function settle(task: Task): Promise<void> {
    // Being submitted is no better than waiting: the attempt that the backup knows of may have been refused since, and another
    // one made, or its job may be over and forgotten upstream. A search that finds nothing would then have it made again.
    const writeUnknown = task.phase === 'accepted' || task.phase === 'submitting';
    const lost = writeUnknown ? move(task, { type: 'failed', error, outcome: 'unknown' }, now) : undefined;
    if (!lost) {
      followed += 1;
      return;
    }
    if (!(await store.commit(lost))) {
      const message = `Somebody else moved ${task.id} meanwhile: stop every gateway, and run this again.`;
      throw new OnetakeError('gateways_running', 409, message);
    }
    failed += 1;
    onFailed(task);
  }

  for (const owner of (await store.loads()).keys()) {
    for (let after: string | undefined, found = BATCH; found === BATCH; ) {
      const tasks = await store.owned(owner, BATCH, after);
      found = tasks.length;
      after = tasks.at(-1)?.id;
      await Promise.all(tasks.map(settle));
    }
  }
  return { failed, followed };
}
