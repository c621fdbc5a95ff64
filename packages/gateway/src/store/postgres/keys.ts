import { jsonRow } from '../jsonRows.ts';
import {
  type AuditRow,
  type AuditStore,
  adminNeededUntil,
  applyChanges,
  type KeyRow,
  type KeyStore,
  NO_END,
  ofItsProject,
  outlives,
  type ProjectStore,
  rotated,
} from '../projects.ts';
import { AUDIT, KEY, KEY_WITH_PROJECT, PROJECT } from '../readRows.ts';
import {
  AUDIT as AUDIT_COLUMNS,
  type AuditTableRow,
  auditToRow,
  KEYS,
  type KeyTableRow,
  type KeyWithProjectRow,
  keyToRow,
  listOf,
  PROJECTS,
  type ProjectTableRow,
  projectFromRow,
  projectToRow,
  SELECT_KEYS_WITH_PROJECTS,
  typesOf,
} from '../tables.ts';
import { CHANNEL } from './nodes.ts';
import type { PostgresParts, Run } from './pool.ts';
import { insertAudit, named } from './statements.ts';

/** The row of a parameter that is JSON of its columns. */
const rowOf = (parameter: number, columns: Parameters<typeof typesOf>[0], alias: string): string =>
  `json_to_record($${parameter}::json) as ${alias}(${Object.entries(typesOf(columns))
    .map(([name, type]) => `${name} ${type}`)
    .join(', ')})`;

/** Tells the other nodes that what they know of keys may be outdated. */
const notify = (sender: number): string =>
  `select pg_notify('${CHANNEL}', json_build_object('from', $${sender}::text, 'kind', 'keys')::text)`;

/** `name = n.name, …` for the columns that change. */
const assigned = (columns: object): string =>
  Object.entries(columns)
    .filter(([, { changes }]) => changes)
    .map(([name]) => `${name} = n.${name}`)
    .join(', ');

const WORKING_ADMIN = (at: string): string =>
  `scopes like '%"admin"%' and revoked_at is null and (expires_at is null or expires_at > ${at})`;
/** One that is rotated ends soon. */
const LASTING_ADMIN = (at: string): string => `(${WORKING_ADMIN(at)} and replaced_by is null)`;

const SQL = named({
  /** $1 the key, $2 its audit row, $3 that of its project, all as JSON; $4 the sender. */
  putKey: `
    with project as (
      insert into projects (id, name, created_at) select project_id, project_id, created_at from ${rowOf(1, KEYS, 'k')}
      on conflict (id) do nothing returning id
    ),
    made as (insert into keys (${listOf(KEYS)}) select ${listOf(KEYS, 'k.')} from ${rowOf(1, KEYS, 'k')}),
    noted as (${insertAudit(2)}),
    also_noted as (${insertAudit(3, 'project')})
    ${notify(4)}`,
  /**
   * $1 the key's id, $2 when, $3 the audit row as JSON, $4 the sender, $5 whether the last admin key may be revoked. An earlier
   * revocation stays as it is. The key and the admin keys are locked, in the order of all who lock keys, so that if two are revoked at once, the
   * second one sees the first revocation.
   */
  revokeKey: `
    with locked as materialized (
      select id, ${LASTING_ADMIN('$2')} as is_admin, coalesce(expires_at, ${NO_END}) as ends from keys where id = $1 or (${WORKING_ADMIN('$2')}) order by id for update
    ),
    revoked as (
      update keys set revoked_at = $2
      where id = $1 and revoked_at is null and ($5::boolean
        or not exists (select 1 from locked where id = $1 and is_admin)
        or exists (select 1 from locked l join locked o on o.id <> l.id and o.is_admin and o.ends >= l.ends where l.id = $1))
      returning id
    ),
    noted as (${insertAudit(3, 'revoked')})
    ${notify(4)} from revoked`,
  /** $1 the key's id, $2 the audit row as JSON, $3 the sender. */
  restoreKey: `
    with restored as (update keys set revoked_at = null where id = $1 and revoked_at is not null returning id),
    noted as (${insertAudit(2, 'restored')})
    ${notify(3)} from restored`,
  keyByHash: `${SELECT_KEYS_WITH_PROJECTS} where k.hash = $1`,
  keyById: `select ${listOf(KEYS)} from keys where id = $1`,
  keys: `select ${listOf(KEYS)} from keys order by id`,

  /** In a transaction, as the next four. Keys are locked in the order of their ids. $1 a key's id, $2 when. */
  lockKeys: `select id from keys where id = $1 or (${WORKING_ADMIN('$2::bigint')}) order by id for update`,
  /** $1 a key's id, $2 until when at least. */
  otherAdmins: `select 1 from keys where id <> $1 and ${LASTING_ADMIN('$2::bigint - 1')} limit 1`,
  /** $1 the key, $2 the audit row, as JSON; $3 the sender. */
  changeKey: `
    with changed as (update keys set ${assigned(KEYS)} from ${rowOf(1, KEYS, 'n')} where keys.id = n.id returning keys.id),
    noted as (${insertAudit(2, 'changed')})
    ${notify(3)} from changed`,
  /** $1 the key as JSON. */
  addKey: `insert into keys (${listOf(KEYS)}) select ${listOf(KEYS, 'k.')} from ${rowOf(1, KEYS, 'k')}`,
  lockProject: `select ${listOf(PROJECTS)} from projects where id = $1 for update`,
  /** $1 the project, $2 the audit row, as JSON; $3 the sender. */
  changeProject: `
    with changed as (
      update projects set ${assigned(PROJECTS)} from ${rowOf(1, PROJECTS, 'n')} where projects.id = n.id returning projects.id
    ),
    noted as (${insertAudit(2, 'changed')})
    ${notify(3)} from changed`,

  /** $1 the project, $2 the audit row, as JSON. */
  putProject: `
    with made as (
      insert into projects (${listOf(PROJECTS)}) select ${listOf(PROJECTS, 'p.')} from ${rowOf(1, PROJECTS, 'p')}
      on conflict (id) do nothing returning id
    ),
    noted as (${insertAudit(2, 'made')})
    select id from made`,
  project: `select ${listOf(PROJECTS)} from projects where id = $1`,
  projects: `select ${listOf(PROJECTS)} from projects order by id`,

  audit: `
    select seq::text as id, ${listOf(AUDIT_COLUMNS)} from audit
    where ($2::bigint is null or seq < $2) and ($3::text is null or actor = $3) and ($4::text is null or action = $4)
      and ($5::text is null or subject = $5) and ($6::bigint is null or at >= $6) and ($7::bigint is null or at < $7)
    order by seq desc limit $1`,
});

const asKey = (key: KeyRow): string => jsonRow(keyToRow(key));
const asAudit = (audit: AuditRow): string => jsonRow(auditToRow(audit));

export function postgresKeys({ connections, rows, node }: PostgresParts): KeyStore {
  const { run, read, transaction } = connections;

  /** Reads a key that is to be changed. Until the end of the transaction, nobody else can change it or take away an admin. */
  async function lock(run: Run, id: string, at: number): Promise<KeyRow | undefined> {
    await run(SQL.lockKeys, [id, at]);
    const [row] = await run<KeyTableRow>(SQL.keyById, [id]);
    return row && rows.one(KEY, row);
  }

  return {
    async putKey(key, audit) {
      await run(SQL.putKey, [
        asKey(key),
        asAudit(audit),
        asAudit(ofItsProject(audit, key.projectId)),
        node(),
      ]);
    },
    async keyByHash(hash) {
      const [row] = await read<KeyWithProjectRow>(SQL.keyByHash, [hash]);
      return row && rows.one(KEY_WITH_PROJECT, row);
    },
    listKeys: async () => rows.all(KEY, await read<KeyTableRow>(SQL.keys)),
    async revokeKey(id, at, audit, { force = false } = {}) {
      await run(SQL.revokeKey, [id, at, asAudit(audit), node(), force]);
      const [row] = await read<KeyTableRow>(SQL.keyById, [id]);
      return row && rows.one(KEY, row);
    },
    changeKey: (id, changes, audit, { at, force = false }) =>
      transaction(async (run) => {
        const key = await lock(run, id, at);
        if (!key) return { outcome: 'not_found' };
        const changed = applyChanges(key, changes);
        if (!changed) return { outcome: 'changed', key };
        const { after, difference } = changed;
        if (!force && outlives(key, after)) return { outcome: 'replaced', key };
        const until = force ? undefined : adminNeededUntil(key, after, at);
        if (until !== undefined && (await run(SQL.otherAdmins, [id, until])).length === 0)
          return { outcome: 'last_admin', key };
        await run(SQL.changeKey, [asKey(after), asAudit({ ...audit, detail: difference }), node()]);
        return { outcome: 'changed', key: after };
      }),
    rotateKey: (id, next, audit, { at, until }) =>
      transaction(async (run) => {
        const key = await lock(run, id, at);
        if (!key) return { outcome: 'not_found' };
        const made = rotated(key, next, at, until);
        if (!made) return { outcome: 'invalid', key };
        await run(SQL.addKey, [asKey(made.next)]);
        await run(SQL.changeKey, [asKey(made.former), asAudit(audit), node()]);
        return { outcome: 'rotated', key: made.former, next: made.next };
      }),
    async restoreKey(id, audit) {
      await run(SQL.restoreKey, [id, asAudit(audit), node()]);
    },
  };
}

export function postgresProjects({ connections, rows, node }: PostgresParts): ProjectStore & AuditStore {
  const { run, read, transaction } = connections;
  return {
    putProject: async (project, audit) =>
      (await run(SQL.putProject, [jsonRow(projectToRow(project)), asAudit(audit)])).length > 0,
    async project(id) {
      const [row] = await read<ProjectTableRow>(SQL.project, [id]);
      return row && rows.one(PROJECT, row);
    },
    listProjects: async () => rows.all(PROJECT, await read<ProjectTableRow>(SQL.projects)),
    changeProject: (id, changes, audit) =>
      transaction(async (run) => {
        const [row] = await run<ProjectTableRow>(SQL.lockProject, [id]);
        if (!row) return undefined;
        const before = projectFromRow(row);
        const changed = applyChanges(before, changes);
        if (!changed) return before;
        const { after, difference } = changed;
        const detailed = asAudit({ ...audit, detail: difference });
        await run(SQL.changeProject, [jsonRow(projectToRow(after)), detailed, node()]);
        return after;
      }),
    audit: (query) =>
      rows.page(AUDIT, query.limit, (limit, before) => {
        const { after, actor, action, subject, from, to } = query;
        return read<AuditTableRow>(SQL.audit, [
          limit,
          before.at(-1)?.id ?? after ?? null,
          ...[actor, action, subject, from, to].map((value) => value ?? null),
        ]);
      }),
  };
}
