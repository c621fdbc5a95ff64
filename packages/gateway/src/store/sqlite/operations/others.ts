import type { AccountColumns, AccountCount } from '../../accountRows.ts';
import { type AuditRow, type KeyRow, ofItsProject } from '../../projects.ts';
import type { AccountTrouble, StoredEstimate } from '../../store.ts';
import { auditToRow, type KeyTableRow, keyToRow } from '../../tables.ts';
import type { ReadParts, WriteParts } from './parts.ts';

export function keyWrites({ sql }: WriteParts) {
  const writeAudit = (row: AuditRow) => sql.insertAudit.run(auditToRow(row));
  return {
    putKey(key: KeyRow, audit: AuditRow): void {
      const { projectId } = key;
      if (sql.ensureProject.run(projectId, projectId, key.createdAt).changes > 0)
        writeAudit(ofItsProject(audit, projectId));
      sql.putKey.run(keyToRow(key));
      writeAudit(audit);
    },
    revokeKey(id: string, at: number, audit: AuditRow, force: boolean): KeyTableRow | undefined {
      if (sql.revokeKey.run({ id, at, force: Number(force) }).changes > 0) writeAudit(audit);
      return sql.keyById.get(id);
    },
    restoreKey(id: string, audit: AuditRow): void {
      if (sql.restoreKey.run(id).changes > 0) writeAudit(audit);
    },
    secret(name: string, value: string): string {
      sql.putSecret.run(name, value);
      return sql.secret.get(name)?.value ?? '';
    },
    writeCheck: (): void => void sql.writeCheck.run(),
  };
}

export function accountWrites({ sql, db }: WriteParts) {
  const put = db.prepare(`
    insert into account_state (account_id, failures, blocked_until, last_error, reason, failed_since, revision, updated_at)
    values (@account, @failures, @blockedUntil, @error, @reason, case when @failures > 0 then @now end, 1, @now)
    on conflict (account_id) do update set failures = excluded.failures, blocked_until = excluded.blocked_until,
      last_error = coalesce(excluded.last_error, last_error), reason = excluded.reason,
      failed_since = case when excluded.failures > 0 then coalesce(failed_since, excluded.failed_since) end,
      revision = revision + 1, updated_at = excluded.updated_at`);
  const retry = db.prepare<[string]>(
    'update account_state set blocked_until = 0, revision = revision + 1 where account_id = ? and failures > 0',
  );
  return {
    reportTrouble(account: string, trouble: AccountTrouble, now: number): void {
      const { failures, waitMs, error = null, reason = null } = trouble;
      const blockedUntil = waitMs > 0 ? Math.ceil(now + waitMs) : 0;
      put.run({ account, failures, blockedUntil, error, reason, now });
    },
    retryAccount(id: string, audit: AuditRow): boolean {
      const tried = retry.run(id).changes > 0;
      if (tried) sql.insertAudit.run(auditToRow(audit));
      return tried;
    },
  };
}

export function estimateWrites({ db }: WriteParts) {
  const insert = db.prepare(`
    insert into estimates (kind, data, version, updated_at) values (@kind, @data, 1, @now) on conflict do nothing`);
  const update = db.prepare(`
    update estimates set data = @data, version = version + 1, updated_at = @now where kind = @kind and version = @version`);
  const trim = db.prepare(`
    delete from estimates where kind in (select kind from estimates order by updated_at desc limit -1 offset ?)`);
  return {
    putEstimate(
      { kind, data, version }: Omit<StoredEstimate, 'updatedAt'>,
      most: number,
      now: number,
    ): boolean {
      if (version > 0) return update.run({ kind, data, version, now }).changes > 0;
      const made = insert.run({ kind, data, now }).changes > 0;
      if (made) trim.run(most);
      return made;
    },
  };
}

export interface StateColumns extends AccountColumns {
  readonly revision: number;
  readonly updated_at: number;
}

export function otherReads({ sql, db }: ReadParts) {
  const states = db.prepare<[], StateColumns>('select * from account_state order by account_id');
  const counts = db.prepare<[], AccountCount>(`
    select a.account_id, count(*) as n from tasks t join attempts a on a.task_id = t.id and a.number = t.attempt
    where t.phase in ('submitting', 'running') group by a.account_id order by a.account_id`);
  return {
    keys: () => sql.keys.all(),
    accounts: () => ({ states: states.all(), counts: counts.all() }),
  };
}
