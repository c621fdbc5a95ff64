import {
  type AuditQuery,
  type AuditRow,
  adminNeededUntil,
  applyChanges,
  type KeyChanged,
  type KeyChanges,
  type KeyIdentity,
  type KeyRow,
  outlives,
  type ProjectChanges,
  type ProjectRow,
  rotated,
} from '../../projects.ts';
import {
  AUDIT,
  type AuditTableRow,
  assign,
  auditToRow,
  KEYS,
  type KeyTableRow,
  keyFromRow,
  keyToRow,
  listOf,
  PROJECTS,
  type ProjectTableRow,
  projectFromRow,
  projectToRow,
} from '../../tables.ts';
import type { Connection } from './connection.ts';
import type { ReadParts, WriteParts } from './parts.ts';

/** The statement that reads a project by its id. */
export const projectRow = (db: Connection) =>
  db.prepare<[string], ProjectTableRow>(`select ${listOf(PROJECTS)} from projects where id = ?`);

export function projectWrites({ sql, db }: WriteParts) {
  const one = projectRow(db);
  const put = db.prepare(
    `insert into projects (${listOf(PROJECTS)}) values (${listOf(PROJECTS, '@')}) on conflict (id) do nothing`,
  );
  const change = db.prepare(`update projects set ${assign(PROJECTS, '@')} where id = @id`);
  return {
    putProject(project: ProjectRow, audit: AuditRow): boolean {
      const written = put.run(projectToRow(project)).changes > 0;
      if (written) sql.insertAudit.run(auditToRow(audit));
      return written;
    },
    changeProject(id: string, changes: ProjectChanges, audit: AuditRow): ProjectTableRow | undefined {
      const row = one.get(id);
      const changed = row && applyChanges(projectFromRow(row), changes);
      if (!changed) return row;
      change.run(projectToRow(changed.after));
      sql.insertAudit.run(auditToRow({ ...audit, detail: changed.difference }));
      return one.get(id);
    },
  };
}

export function keyChangeWrites({ sql, db }: WriteParts) {
  const change = db.prepare(`update keys set ${assign(KEYS, '@')} where id = @id`);
  const otherAdmins = db
    .prepare<[string, number], number>(`
      select exists (select 1 from keys where id <> ? and scopes like '%"admin"%' and revoked_at is null
        and replaced_by is null and (expires_at is null or expires_at >= ?))`)
    .pluck();
  return {
    changeKey(
      id: string,
      changes: KeyChanges,
      audit: AuditRow,
      { at, force = false }: { readonly at: number; readonly force?: boolean },
    ): {
      readonly row: KeyTableRow | undefined;
      readonly outcome: Exclude<KeyChanged['outcome'], 'not_found'>;
    } {
      const row = sql.keyById.get(id);
      const before = row && keyFromRow(row);
      const changed = before && applyChanges<KeyRow>(before, changes);
      if (!changed) return { row, outcome: 'changed' };
      const { after, difference } = changed;
      if (!force && outlives(before, after)) return { row, outcome: 'replaced' };
      const until = force ? undefined : adminNeededUntil(before, after, at);
      if (until !== undefined && !otherAdmins.get(id, until)) return { row, outcome: 'last_admin' };
      change.run(keyToRow(after));
      sql.insertAudit.run(auditToRow({ ...audit, detail: difference }));
      return { row: sql.keyById.get(id), outcome: 'changed' };
    },
    rotateKey(
      id: string,
      next: KeyIdentity,
      audit: AuditRow,
      { at, until }: { readonly at: number; readonly until: number },
    ): { readonly row: KeyTableRow | undefined; readonly next?: KeyRow } {
      const row = sql.keyById.get(id);
      const made = row && rotated(keyFromRow(row), next, at, until);
      if (!made) return { row };
      sql.putKey.run(keyToRow(made.next));
      change.run(keyToRow(made.former));
      sql.insertAudit.run(auditToRow(audit));
      return { row: sql.keyById.get(id), next: made.next };
    },
  };
}

export function projectReads({ db }: ReadParts) {
  const projects = db.prepare<[], ProjectTableRow>(`select ${listOf(PROJECTS)} from projects order by id`);
  const audit = db.prepare<Record<string, string | number | null>, AuditTableRow>(`
    select cast(rowid as text) as id, ${listOf(AUDIT)} from audit
    where (@after is null or rowid < @after) and (@actor is null or actor = @actor) and (@action is null or action = @action)
      and (@subject is null or subject = @subject) and (@from is null or at >= @from) and (@to is null or at < @to)
    order by rowid desc limit @limit`);
  return {
    projects: () => projects.all(),
    audit: ({ limit, after, actor, action, subject, from, to }: AuditQuery) =>
      audit.all({
        limit,
        after: after === undefined ? null : Number(after),
        actor: actor ?? null,
        action: action ?? null,
        subject: subject ?? null,
        from: from ?? null,
        to: to ?? null,
      }),
  };
}
