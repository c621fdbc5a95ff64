/*
 * PostgreSQL's text holds every Unicode text but NUL and halves of surrogate pairs. Requests are checked for both; an
 * upstream's own words are not, and a task must not be stuck because of them.
 */

/** JSON's escapes of what PostgreSQL cannot hold: after an even number of backslashes. Valid for PostgreSQL's `~` as well. */
export const ILLEGAL_ESCAPE = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/;

const EVERY_ILLEGAL_ESCAPE = new RegExp(ILLEGAL_ESCAPE, 'g');
const PERHAPS_ILLEGAL = /\\u(?:0000|d)/;

/** Rows as JSON, for `json_to_recordset`. JSON inside their columns keeps its own escapes, and so loses nothing. */
export function jsonRows(rows: readonly object[]): string {
  const json = JSON.stringify(rows);
  return PERHAPS_ILLEGAL.test(json) ? json.replace(EVERY_ILLEGAL_ESCAPE, '$1\\ufffd') : json;
}
