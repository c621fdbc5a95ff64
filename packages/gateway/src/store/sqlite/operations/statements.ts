import type { TaskEvent } from '../../../tasks/events.ts';
import type { Attempt, Phase, Task } from '../../../tasks/task.ts';
import { NO_END } from '../../projects.ts';
import {
  ANNOUNCED,
  ATTEMPTS,
  AUDIT,
  assign,
  attemptToRow,
  EVENTS,
  eventToRow,
  JOIN_ATTEMPT,
  KEYS,
  type KeyTableRow,
  type KeyWithProjectRow,
  LEDGER,
  listOf,
  MEDIA,
  type MediaTableRow,
  SELECT_KEYS_WITH_PROJECTS,
  TASK_WITH_ATTEMPT,
  TASKS,
  type TaskWithAttempt,
  taskToRow,
  UNFINISHED,
} from '../../tables.ts';
import type { Connection } from './connection.ts';

/** Every statement of the embedded store's hot paths, prepared once. */
export function prepareStatements(db: Connection) {
  return {
    ...taskStatements(db),
    ...ownershipStatements(db),
    ...mediaStatements(db),
    ...keyStatements(db),
    ...otherStatements(db),
  };
}

const OF_PAIR = 'where project_id = @projectId and name = @name and value = @value';
const SELECT_TASKS = `select ${TASK_WITH_ATTEMPT} from tasks t ${JOIN_ATTEMPT}`;

function taskStatements(db: Connection) {
  const insertTask = db.prepare(`
    insert into tasks (${listOf(TASKS)}) values (${listOf(TASKS, '@')})
    on conflict (id) do nothing`);

  // Compare-and-set: a driver that lost the task (or came second) changes no row, and so writes nothing at all.
  const updateTask = db.prepare(`
    update tasks set ${assign(TASKS, '@')}
    where id = @id and phase = @from_phase and version = @from_version and owner = @owner`);

  const putAttempt = db.prepare(`
    insert into attempts (${listOf(ATTEMPTS)}) values (${listOf(ATTEMPTS, '@')})
    on conflict (task_id, number) do update set ${assign(ATTEMPTS, 'excluded.')}`);

  const putEvent = db.prepare(`
    insert into events (${listOf(EVENTS)}) values (${listOf(EVENTS, '@')}) on conflict (id) do nothing`);

  const putDeliveries = db.prepare(`
    insert into webhook_deliveries (${ANNOUNCED})
    select printf('whd_%012x', @at) || lower(hex(randomblob(10))), @id, @type, @project_id, @task_id, to_id, lane, url, 'pending', 0, @at, @at
    from (
      select id as to_id, id as lane, url from webhook_endpoints
      where project_id = @project_id and disabled_reason is null
        and (events is null or @type in (select value from json_each(events)))
        and (models is null or @model in (select value from json_each(models)))
      union all
      select null, @lane, @url where @url is not null
    )`);

  return {
    task: db.prepare<[string], TaskWithAttempt>(`${SELECT_TASKS} where t.id = ?`),
    /** How many tasks have a pair, up to `most`, and the ids of the first and the last of them. */
    havingMetadata: db.prepare<
      { projectId: string; name: string; value: string; most: number },
      { count: number; oldest: string | null; newest: string | null }
    >(`
      select (select count(*) from (select 1 from task_metadata ${OF_PAIR} limit @most)) as count,
        (select min(task_id) from task_metadata ${OF_PAIR}) as oldest, (select max(task_id) from task_metadata ${OF_PAIR}) as newest`),
    /** Ids as a JSON array. */
    versions: db.prepare<[string], { id: string; version: number }>(
      'select id, version from tasks where id in (select value from json_each(?))',
    ),
    tasks: db.prepare<[string], TaskWithAttempt>(
      `${SELECT_TASKS} where t.id in (select value from json_each(?))`,
    ),
    submittingAt: db.prepare<[string, string, string], TaskWithAttempt>(
      `${SELECT_TASKS} where t.phase = 'submitting' and a.account_id = ? and a.upstream_model = ? and t.id <> ?`,
    ),
    submittedLike: db.prepare<[string, string, string, number], TaskWithAttempt>(
      `${SELECT_TASKS} where a.account_id = ? and a.find_version = ? and a.upstream_model = ? and a.upstream_id is not null
      order by a.submitted_at desc limit ?`,
    ),
    /** False if a task with this id already exists. */
    insertTask: (task: Task): boolean => insertTask.run(taskToRow(task)).changes === 1,
    updateTask: (task: Task, from: { phase: Phase; version: number }): boolean =>
      updateTask.run({ ...taskToRow(task), from_phase: from.phase, from_version: from.version }).changes ===
      1,
    /** What upstreams said of the attempts before this one. */
    eraseDetails: db.prepare<[string, number]>(
      'update attempts set detail = null where task_id = ? and number < ?',
    ),
    /** False if the event was written before. */
    putEvent: (event: TaskEvent): boolean => putEvent.run(eventToRow(event)).changes === 1,
    eraseEvents: db.prepare<[string]>('delete from events where task_id = ?'),
    /** Writes the deliveries of an event. Returns their number. */
    putDeliveries: (event: TaskEvent, webhook: { url: string; lane: string } | undefined): number =>
      putDeliveries.run({ url: null, lane: null, ...eventToRow(event), ...webhook }).changes,
    eraseDeliveries: db.prepare<[string]>('delete from webhook_deliveries where task_id = ?'),
    putAttempt: (taskId: string, attempt: Attempt) => putAttempt.run(attemptToRow(taskId, attempt)),

    insertLedger: db.prepare(`
      insert into ledger (${listOf(LEDGER)}) values (${listOf(LEDGER, '@')})`),

    expired: db.prepare<[number, number], { task_id: string }>(`
      select task_id from attempts
      where outcome = 'expired' and upstream_id is not null and ended_at >= ?
      order by ended_at desc limit ?`),
    attemptByUpstream: db.prepare<[string, string], { task_id: string }>(
      'select task_id from attempts where account_id = ? and upstream_id = ? limit 1',
    ),
    otherAttemptByUpstream: db.prepare<[string, string, string, number], { task_id: string }>(`
      select task_id from attempts
      where account_id = ? and upstream_id = ? and not (task_id = ? and number = ?) limit 1`),

    idempotency: db.prepare<[string, string, number], { body_hash: string; task_id: string }>(
      'select body_hash, task_id from idempotency where project_id = ? and key = ? and expires_at > ?',
    ),
    putIdempotency: db.prepare(`
      insert into idempotency (project_id, key, body_hash, task_id, expires_at)
      values (@project_id, @key, @body_hash, @task_id, @expires_at)
      on conflict (project_id, key) do update set
        body_hash = excluded.body_hash, task_id = excluded.task_id, expires_at = excluded.expires_at`),
    removeIdempotency: db.prepare<[number, number]>(`
      delete from idempotency where rowid in (select rowid from idempotency where expires_at <= ? limit ?)`),
  };
}

function ownershipStatements(db: Connection) {
  return {
    owned: db.prepare<[string, string, number], TaskWithAttempt>(
      `${SELECT_TASKS} where ${UNFINISHED} and owner = ? and t.id > ? order by t.id limit ?`,
    ),
    loads: db.prepare<[], { owner: string; load: number }>(
      `select owner, count(*) as load from tasks where ${UNFINISHED} group by owner`,
    ),
    orphans: db.prepare<[string, number], { id: string }>(`
      select id from tasks
      where ${UNFINISHED} and owner <> ?
      order by id limit ?`),
    // A new version, so that a late write of the former owner fails on its compare-and-set.
    takeOver: db.prepare<[string, string]>('update tasks set owner = ?, version = version + 1 where id = ?'),
    transfer: db.prepare<[string, string, string, number]>(
      `update tasks set owner = ?, version = version + 1 where owner = ? and id = ? and version = ? and ${UNFINISHED}`,
    ),
  };
}

interface FilesParameters {
  readonly projectId: string;
  readonly now: number;
  readonly purpose: string | null;
  readonly after: string | null;
  readonly limit: number;
}

const FILES = `
  where kind = 'file' and project_id = @projectId and state <> 'pending' and (expires_at is null or expires_at > @now)
    and (@purpose is null or purpose = @purpose)`;

function mediaStatements(db: Connection) {
  return {
    putMedia: db.prepare(`
      insert into media (${listOf(MEDIA)}) values (${listOf(MEDIA, '@')})
      on conflict (id) do update set ${assign(MEDIA, 'excluded.')}
      where media.state = 'pending' or excluded.state = 'present'`),
    media: db.prepare<[string], MediaTableRow>(`select ${listOf(MEDIA)} from media where id = ?`),
    /** Ids as a JSON array. */
    mediaKeys: db.prepare<[string], { id: string; storage_key: string }>(
      'select id, storage_key from media where id in (select value from json_each(?))',
    ),
    mediaOf: db.prepare<[string], MediaTableRow>(
      `select ${listOf(MEDIA)} from media where task_id = ? order by id`,
    ),
    files: db.prepare<FilesParameters, MediaTableRow>(
      `select ${listOf(MEDIA)} from media ${FILES} and (@after is null or id < @after) order by id desc limit @limit`,
    ),
    filesOldestFirst: db.prepare<FilesParameters, MediaTableRow>(
      `select ${listOf(MEDIA)} from media ${FILES} and (@after is null or id > @after) order by id limit @limit`,
    ),
    /** Of a project, besides one file. */
    bytesOfFiles: db.prepare<[string, string], { bytes: number }>(
      `select coalesce(sum(bytes), 0) as bytes from media where kind = 'file' and project_id = ? and id <> ?`,
    ),
    /** The third parameter is a JSON array of ids to skip. */
    sweepable: db.prepare<[number, number, string, number], MediaTableRow>(`
      select ${listOf(MEDIA)} from media where (expires_at <= ? or (state = 'pending' and created_at <= ?
        and not exists (select 1 from tasks where tasks.id = media.task_id and tasks.phase not in ('succeeded', 'failed'))))
        and id not in (select value from json_each(?)) limit ?`),
    markDamaged: db.prepare<[string, string, number]>(`
      update media set state = 'damaged'
      where id = ? and storage_key = ? and state = 'present' and (expires_at is null or expires_at > ?)`),
    mediaToRepair: db.prepare<[number, string, number], MediaTableRow>(`
      select ${listOf(MEDIA)} from media where state in ('pending', 'damaged') and (state = 'damaged' or (kind = 'poster' and created_at <= ?)) and id > ?
      order by id limit ?`),
    mediaToCheck: db.prepare<[number], MediaTableRow>(`
      select ${listOf(MEDIA)} from media where state = 'present' and (case when checked_at > created_at then checked_at else created_at end) <= ?
      order by (case when checked_at > created_at then checked_at else created_at end) limit 10`),
    markChecked: db.prepare<[number, string]>('update media set checked_at = ? where id = ?'),
    removeMedia: db.prepare<[string]>('delete from media where id = ?'),
  };
}

function keyStatements(db: Connection) {
  return {
    ensureProject: db.prepare<[string, string, number]>(
      'insert into projects (id, name, created_at) values (?, ?, ?) on conflict (id) do nothing',
    ),
    putKey: db.prepare(`
      insert into keys (${listOf(KEYS)}) values (${listOf(KEYS, '@')})`),
    keyByHash: db.prepare<[string], KeyWithProjectRow>(`${SELECT_KEYS_WITH_PROJECTS} where k.hash = ?`),
    keyById: db.prepare<[string], KeyTableRow>(`select ${listOf(KEYS)} from keys where id = ?`),
    keys: db.prepare<[], KeyTableRow>(`select ${listOf(KEYS)} from keys order by id`),
    revokeKey: db.prepare<{ id: string; at: number; force: number }>(`
      update keys set revoked_at = @at where id = @id and revoked_at is null and (
        @force or scopes not like '%"admin"%' or expires_at <= @at or replaced_by is not null or exists (
          select 1 from keys as other
          where other.id <> @id and other.scopes like '%"admin"%' and other.revoked_at is null and other.replaced_by is null
            and (other.expires_at is null or other.expires_at >= coalesce(keys.expires_at, ${NO_END}))))`),
    restoreKey: db.prepare<[string]>(
      'update keys set revoked_at = null where id = ? and revoked_at is not null',
    ),
  };
}

function otherStatements(db: Connection) {
  return {
    putSecret: db.prepare<[string, string]>(
      'insert into secrets (name, value) values (?, ?) on conflict (name) do nothing',
    ),
    secret: db.prepare<[string], { value: string }>('select value from secrets where name = ?'),
    insertAudit: db.prepare(`insert into audit (${listOf(AUDIT)}) values (${listOf(AUDIT, '@')})`),
    writeCheck: db.prepare(
      'insert into write_check (id, written) values (1, 1) on conflict (id) do update set written = written + 1',
    ),
  };
}
