import satisfies from 'spdx-satisfies';

/**
 * Whether the allowed licences alone satisfy an SPDX expression. A licence `WITH` an exception has to be allowed by that whole
 * name. Text that is not an expression (`SEE LICENSE IN …`) is never allowed.
 */
export function isAllowed(expression: string, allowed: readonly string[]): boolean {
  try {
    return satisfies(expression, allowed);
  } catch {
    return false;
  }
}
