/** What an error of PostgreSQL means for the caller. */
export type Verdict =
  /** The same statement may succeed later, by itself or after an operator has fixed something. */
  | 'unavailable'
  /** A conflict with another transaction. Repeated alone, the statement may succeed at once. */
  | 'conflict'
  /** The values are invalid. Repeating the statement cannot help. */
  | 'refused';

interface Classification {
  readonly verdict: Verdict;
  /** The connection must not be used again: it is broken, or its session is in an unknown state. */
  readonly drop?: true;
}

/**
 * Every class of SQLSTATE (PostgreSQL's Appendix A). Our statements are fixed and tested. So if a statement itself fails (a table is
 * missing, a right was revoked, a feature is not supported), the database has a problem that an operator can fix: `unavailable`. Only
 * errors that are known to be about the values are `refused`, because a refusal may end a task.
 */
const CLASSES: Readonly<Record<string, Classification>> = {
  '00': { verdict: 'unavailable' }, // Successful completion
  '01': { verdict: 'unavailable' }, // Warning
  '02': { verdict: 'unavailable' }, // No data
  '03': { verdict: 'unavailable' }, // SQL statement not yet complete
  '08': { verdict: 'unavailable', drop: true }, // Connection exception
  '09': { verdict: 'unavailable' }, // Triggered action exception
  '0A': { verdict: 'unavailable', drop: true }, // Feature not supported; plans that went stale
  '0B': { verdict: 'unavailable' }, // Invalid transaction initiation
  '0F': { verdict: 'unavailable' }, // Locator exception
  '0L': { verdict: 'unavailable' }, // Invalid grantor
  '0P': { verdict: 'unavailable' }, // Invalid role specification
  '0Z': { verdict: 'unavailable' }, // Diagnostics exception
  '10': { verdict: 'unavailable' }, // XQuery error
  '20': { verdict: 'unavailable' }, // Case not found
  '21': { verdict: 'refused' }, // Cardinality violation
  '22': { verdict: 'refused' }, // Data exception
  '23': { verdict: 'refused' }, // Integrity constraint violation
  '24': { verdict: 'unavailable' }, // Invalid cursor state
  '25': { verdict: 'unavailable', drop: true }, // Invalid transaction state; a server that went read-only
  '26': { verdict: 'unavailable', drop: true }, // Invalid SQL statement name; a pooler that gave us another session
  '27': { verdict: 'unavailable' }, // Triggered data change violation
  '28': { verdict: 'unavailable', drop: true }, // Invalid authorization specification
  '2B': { verdict: 'unavailable' }, // Dependent privilege descriptors still exist
  '2D': { verdict: 'unavailable', drop: true }, // Invalid transaction termination
  '2F': { verdict: 'unavailable' }, // SQL routine exception
  '34': { verdict: 'unavailable' }, // Invalid cursor name
  '38': { verdict: 'unavailable' }, // External routine exception
  '39': { verdict: 'unavailable' }, // External routine invocation exception
  '3B': { verdict: 'unavailable', drop: true }, // Savepoint exception
  '3D': { verdict: 'unavailable', drop: true }, // Invalid catalog name: the database is gone
  '3F': { verdict: 'unavailable' }, // Invalid schema name
  '40': { verdict: 'conflict' }, // Transaction rollback
  '42': { verdict: 'unavailable' }, // Syntax error or access rule violation: rights, and tables that are gone
  '44': { verdict: 'refused' }, // WITH CHECK OPTION violation
  '53': { verdict: 'unavailable' }, // Insufficient resources
  '54': { verdict: 'refused' }, // Program limit exceeded: a value too large for a row or an index
  '55': { verdict: 'unavailable' }, // Object not in prerequisite state
  '57': { verdict: 'unavailable', drop: true }, // Operator intervention
  '58': { verdict: 'unavailable' }, // System error
  '72': { verdict: 'unavailable' }, // Snapshot failure
  F0: { verdict: 'unavailable' }, // Configuration file error
  HV: { verdict: 'unavailable' }, // Foreign data wrapper error
  P0: { verdict: 'unavailable' }, // PL/pgSQL error: a trigger of the operator's own
  XX: { verdict: 'unavailable', drop: true }, // Internal error
};

/** Codes whose meaning differs from that of their class. */
const CODES: Readonly<Record<string, Classification>> = {
  // The session already has this named statement: a pooler has moved us to another session.
  '42P05': { verdict: 'unavailable', drop: true },
};

/** Whether the code's class is in the tables. A class that is not counts as `unavailable`. */
export const isClassified = (code: string): boolean => code in CODES || code.slice(0, 2) in CLASSES;

/** What a SQLSTATE means. An unknown one does not end a task. */
export const classify = (code: string): Classification =>
  CODES[code] ?? CLASSES[code.slice(0, 2)] ?? { verdict: 'unavailable', drop: true };
