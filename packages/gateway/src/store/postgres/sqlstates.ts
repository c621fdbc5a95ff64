/** What an error of PostgreSQL means for whoever asked. */
export type Verdict =
  /** Not now: the same statement may succeed later, by itself or once an operator has mended something. */
  | 'unavailable'
  /** It stood in another transaction's way: done again, alone, it may succeed at once. */
  | 'conflict'
  /** The values themselves are at fault, and always will be. */
  | 'refused';

interface Classification {
  readonly verdict: Verdict;
  /** The connection must not be used again: it is broken, or its session is in a state that is not ours. */
  readonly drop?: true;
}

/**
 * Every class of SQLSTATE (PostgreSQL's Appendix A). Our statements are fixed and tested, so what is wrong with one as such
 * (a table that is gone, a right that was revoked, a feature that is missing) is a fault of the database, which an operator
 * can mend: not now. Only what is known to be about the values is refused, since a refusal may end a task.
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

/** Codes that mean something else than their class does. */
const CODES: Readonly<Record<string, Classification>> = {
  // Named statements that the session knows already: it is not the one that we left.
  '42P05': { verdict: 'unavailable', drop: true },
};

/** Whether the code's class is in the tables. One that is not counts as "not now". */
export const isClassified = (code: string): boolean => code in CODES || code.slice(0, 2) in CLASSES;

/** What a SQLSTATE means. One that nobody has heard of ends no task. */
export const classify = (code: string): Classification =>
  CODES[code] ?? CLASSES[code.slice(0, 2)] ?? { verdict: 'unavailable', drop: true };
