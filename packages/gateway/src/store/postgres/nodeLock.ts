/**
 * A node owns tasks under a name that is its own for one session. The session holds the advisory lock
 * (`LOCK_CLASS`, number) of PostgreSQL for as long as it lives; a name whose lock nobody holds is dead for good, since
 * numbers come from a sequence and are never given out twice.
 */

/** The first key of the locks, which keeps them apart from other programs' in the same database; chosen at will. */
export const LOCK_CLASS = 0x0e7a;

const PREFIX = 'node-';

/** The name of the session that holds the lock of this number. */
export const nodeName = (number: number): string => `${PREFIX}${number}`;

/** The number in such a name; undefined for any other name, whose bearer cannot live: nodes without a session have them. */
export function nodeNumber(name: string): number | undefined {
  const [, digits] = /^node-([1-9]\d{0,9})$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** SQL: the names of the sessions that live, as rows of one column `name`. Other databases of the server have their own. */
export const LIVING_NODES = `
  select '${PREFIX}' || objid as name from pg_locks
  where locktype = 'advisory' and classid = ${LOCK_CLASS} and objsubid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())`;
