import { existsSync } from 'node:fs';
import { livingNodes } from '../../cluster/postgres/livingNodes.ts';
import { type LocalConfig, readLocalConfig } from '../../config/config.ts';
import { BACKUP, isMarked, unmarkFolder } from '../../store/folder/marks.ts';
import { sqlitePath } from '../../store/sqlite/file.ts';
import { openSqliteStore } from '../../store/sqlite/store.ts';
import type { Store } from '../../store/store.ts';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import { move } from '../../tasks/lifecycle.ts';
import { taskError } from '../../tasks/reasons.ts';
import type { Task } from '../../tasks/task.ts';
import { systemClock } from '../../time/clock.ts';
import { commandLog, openCommandStore } from './store.ts';

/** Number of tasks read and written at a time. */
const BATCH = 500;

const MESSAGE =
  'The gateway was restored from a backup, and it is unknown whether this task was submitted after the backup was made. It was not ' +
  'submitted again, so that it is not billed twice; submit a new task if you want to try again.';

/** The report about a task that this command failed. */
interface Failed {
  readonly task_id: string;
  readonly project: string;
  readonly model: string;
  readonly account: string | null;
  readonly why: string;
}

/**
 * `onetake recover [--json]`: prepares a store that was restored from a backup for its first start. A task that had not reached an
 * upstream when the backup was made may have been submitted and billed since. It fails as `submission_unknown` instead of being
 * submitted twice.
 */
export async function recoverCommand({ json }: { readonly json?: true | undefined }): Promise<void> {
  const config = readLocalConfig(process.env);
  await refuseRunning(config);
  const store = await openStopped(config);
  try {
    const tasks: Failed[] = [];
    const { failed, followed } = await recover(store, systemClock.now(), (task) => {
      if (json) tasks.push(failedOf(task));
      else process.stdout.write(`${Object.values(failedOf(task)).join('  ')}\n`);
    });
    // A gateway started in the meantime may have submitted tasks before they failed.
    await refuseRunning(config);
    if (config.databaseUrl === undefined) unmarkFolder(config.dataDir, BACKUP);
    process.stdout.write(
      json
        ? `${JSON.stringify({ failed: tasks, followed })}\n`
        : `${failed} tasks may have been submitted since the backup and failed as submission_unknown; ${followed} that were upstream ` +
            'continue at the next start.\n',
    );
    const unreadable = store.unreadable();
    if (unreadable > 0) {
      process.stderr.write(
        `${unreadable} stored rows cannot be read and were skipped. A gateway skips them too. If you repair them, run this command ` +
          'again before a gateway starts.\n',
      );
    }
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

/** Throws if a gateway is running, because it may be submitting the tasks that are about to fail. */
async function refuseRunning({ databaseUrl, databaseSessionUrl }: LocalConfig): Promise<void> {
  if (databaseUrl === undefined) return;
  const living = await livingNodes(databaseSessionUrl ?? databaseUrl);
  if (living.length === 0) return;
  throw invalidRequest(
    `Stop every gateway first, then run this again. Running on this database: ${living.join(', ')}.`,
  );
}

async function openStopped(config: LocalConfig): Promise<Store> {
  if (config.databaseUrl !== undefined) return openCommandStore(config);
  if (!existsSync(sqlitePath(config.dataDir))) {
    throw invalidRequest(
      isMarked(config.dataDir, BACKUP)
        ? `The backup in ${config.dataDir} was interrupted and is incomplete; use another one, or repeat it with onetake backup.`
        : `There is no onetake.db in ${config.dataDir}; set ONETAKE_DATA_DIR to the restored folder.`,
    );
  }
  return openSqliteStore({ dir: config.dataDir, exclusive: true, recovering: true, log: commandLog });
}

/** Does the work of the command on an open store that no gateway drives. `now` is in milliseconds UTC. It can be repeated. */
export async function recover(
  store: Store,
  now: number,
  /** Called with each task that failed, in its state before. */
  onFailed: (task: Task) => void = () => undefined,
): Promise<{ failed: number; followed: number }> {
  const error = taskError('submission_unknown', MESSAGE);
  let failed = 0;
  let followed = 0;

  async function settle(task: Task): Promise<void> {
    // A task in `submitting` is as uncertain as a waiting one. Its attempt in the backup may have been refused since and followed by
    // another one, or the upstream may have deleted its job. A search for the job would find nothing, and the task would be submitted
    // again.
    const writeUnknown = task.phase === 'accepted' || task.phase === 'submitting';
    const lost = writeUnknown ? move(task, { type: 'failed', error, outcome: 'unknown' }, now) : undefined;
    if (!lost) {
      followed += 1;
      return;
    }
    if (!(await store.commit(lost))) {
      const message = `${task.id} was changed in the meantime: stop every gateway, then run this again.`;
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
  // What was read since the backup was made is not what happens from now on.
  await store.forgetCursors();
  return { failed, followed };
}
