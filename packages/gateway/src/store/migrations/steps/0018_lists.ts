import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../dialect.ts';

/**
 * What lists of tasks look up, so that a filter that few tasks pass does not read all of a project.
 *
 * `task_metadata` is filled by triggers: in the transaction of the task, and also for the nodes of the previous version that still run. A
 * request that is not valid JSON, or whose metadata are no object, has no rows, and a pair that one has twice is there once.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  await sql`create index tasks_by_model on tasks (project_id, model, id) where deleted_at is null`.execute(
    db,
  );
  // SQLite takes these rather than others only if the query tells one more of their columns.
  const known = sql.raw(dialect === 'sqlite' ? 'project_id, deleted_at' : 'project_id');
  const inHand = sql.raw(
    `where deleted_at is null and phase in ('accepted', 'submitting', 'running', 'storing')`,
  );
  await sql`create index tasks_in_hand on tasks (${known}, id, phase, started_at) ${inHand}`.execute(db);
  await sql`
    create index tasks_in_hand_by_model on tasks (${known}, model, id, phase, started_at) ${inHand}`.execute(
    db,
  );
  for (const phase of ['succeeded', 'failed']) {
    const finished = sql.raw(`where deleted_at is null and phase = '${phase}'`);
    await sql`create index ${sql.raw(`tasks_${phase}`)} on tasks (project_id, id) ${finished}`.execute(db);
    await sql`
      create index ${sql.raw(`tasks_${phase}_by_model`)} on tasks (project_id, model, id) ${finished}`.execute(
      db,
    );
  }
  for (const statement of dialect === 'sqlite' ? SQLITE : POSTGRES) await sql.raw(statement).execute(db);
}

const COLUMNS = `
  project_id text not null, name text not null, value text not null, task_id text not null,
  constraint task_metadata_pk primary key (project_id, name, value, task_id)`;

const SQLITE = [
  `create table task_metadata (${COLUMNS}) without rowid`,
  `create trigger task_metadata_added after insert on tasks when new.deleted_at is null and json_valid(new.request)
  begin
    insert or ignore into task_metadata
    select new.project_id, key, value, new.id from json_each(new.request, '$.metadata') where typeof(key) = 'text' and type = 'text';
  end`,
  `create trigger task_metadata_removed after update of deleted_at on tasks
  when old.deleted_at is null and new.deleted_at is not null and json_valid(old.request)
  begin
    delete from task_metadata where project_id = old.project_id and task_id = old.id
      and (name, value) in (select key, value from json_each(old.request, '$.metadata'));
  end`,
  `insert or ignore into task_metadata
  select t.project_id, m.key, m.value, t.id
  from tasks t, json_each(case when json_valid(t.request) then t.request else '{}' end, '$.metadata') m
  where t.deleted_at is null and typeof(m.key) = 'text' and m.type = 'text'`,
];

const POSTGRES = [
  `create table task_metadata (${COLUMNS})`,
  // PostgreSQL's JSON takes neither NUL nor half of a surrogate pair, which a request may have: escaped, after an even number of backslashes.
  String.raw`create function onetake_metadata_of(request text) returns table (name text, value text) language plpgsql immutable as $$
  begin
    if position('"metadata"' in request) = 0 then return; end if;
    return query select m.key, m.value from json_each_text(
      regexp_replace(request, '(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})', '\1\\ufffd', 'g')::json -> 'metadata') m;
  exception when data_exception then return;
  end $$`,
  `create function onetake_add_metadata() returns trigger language plpgsql as $$
  begin
    insert into task_metadata select new.project_id, m.name, m.value, new.id from onetake_metadata_of(new.request) m on conflict do nothing;
    return null;
  end $$`,
  `create trigger task_metadata_added after insert on tasks
  for each row when (new.deleted_at is null and position('"metadata"' in new.request) > 0) execute function onetake_add_metadata()`,
  `create function onetake_remove_metadata() returns trigger language plpgsql as $$
  begin
    delete from task_metadata d using onetake_metadata_of(old.request) m
    where d.project_id = old.project_id and d.name = m.name and d.value = m.value and d.task_id = old.id;
    return null;
  end $$`,
  `create trigger task_metadata_removed after update of deleted_at on tasks
  for each row when (old.deleted_at is null and new.deleted_at is not null) execute function onetake_remove_metadata()`,
  `insert into task_metadata
  select t.project_id, m.name, m.value, t.id from tasks t, onetake_metadata_of(t.request) m where t.deleted_at is null on conflict do nothing`,
];
