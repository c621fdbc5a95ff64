/**
 * How nodes that share a PostgreSQL database know of each other. During a lease a node owns tasks under a name of its own, and its
 * session holds the advisory lock (`LOCK_CLASS`, number). A name whose lock nobody holds belongs to a dead node, for good: the
 * numbers come from a sequence and are never reused.
 */

/** The channel on which nodes send messages to each other with NOTIFY. */
export const CHANNEL = 'onetake';

/** The first key of the locks: an arbitrary number that keeps them apart from locks of other programs in the same database. */
export const LOCK_CLASS = 0x0e7a;

/** The first key of a second lock with the same number, which shows that a node counts the places it takes. Earlier versions lack it. */
export const COUNTING_LOCK_CLASS = 0x0e7b;

const PREFIX = 'node-';

/** The name of the node whose session holds the lock with this number. */
export const nodeName = (number: number): string => `${PREFIX}${number}`;

/** Locks in other databases of the server do not count. */
const locksOf = (...lockClasses: readonly number[]): string => `
  from pg_locks
  where locktype = 'advisory' and classid in (${lockClasses.join(', ')}) and objsubid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())`;

/** SQL: the names of the living nodes, as rows with one column `name`. */
export const LIVING_NODES = `
  select '${PREFIX}' || objid as name ${locksOf(LOCK_CLASS)}`;

/**
 * SQL: as `LIVING_NODES`, those of earlier versions, which do not count places. The locks are read once: a node that leaves between two
 * reads would seem to have only the first lock.
 */
export const NOT_COUNTING_NODES = `
  select '${PREFIX}' || objid as name ${locksOf(LOCK_CLASS, COUNTING_LOCK_CLASS)}
  group by objid having not bool_or(classid = ${COUNTING_LOCK_CLASS})`;
