/**
 * Whether an SPDX licence expression can be met with allowed licences alone: `OR` needs one side, `AND` both.
 * Words that are no expression (`SEE LICENSE IN …`) are never allowed.
 */
export function isAllowed(expression: string, allowed: ReadonlySet<string>): boolean {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;

  function either(): boolean {
    let met = both();
    while (take('OR')) met = both() || met;
    return met;
  }

  function both(): boolean {
    let met = one();
    while (take('AND')) met = one() && met;
    return met;
  }

  function one(): boolean {
    if (take('(')) {
      const met = either();
      return take(')') && met;
    }
    const licence = tokens[at++] ?? '';
    // An exception only ever permits more than its licence does.
    if (take('WITH')) at++;
    return allowed.has(licence);
  }

  function take(token: string): boolean {
    if (tokens[at] !== token) return false;
    at++;
    return true;
  }

  return either() && at === tokens.length;
}
