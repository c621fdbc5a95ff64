/*
 * PostgreSQL stores any Unicode text except NUL and halves of surrogate pairs. Requests are checked for both. Messages of an upstream
 * are not, and must not leave a task stuck.
 */

/** JSON's escapes of what PostgreSQL cannot store, after an even number of backslashes. */
const ILLEGAL_ESCAPES = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;
const PERHAPS_ILLEGAL = /\\u(?:0000|d)/;

/** Rows as JSON, for `json_to_recordset`. JSON inside a column does not change, because its escapes are escaped once more. */
export const jsonRows = (rows: readonly object[]): string => jsonRow(rows);

/** A row as JSON, for `json_to_record`. */
export function jsonRow(row: object): string {
  const json = JSON.stringify(row);
  return PERHAPS_ILLEGAL.test(json) ? json.replace(ILLEGAL_ESCAPES, '$1\\ufffd') : json;
}
