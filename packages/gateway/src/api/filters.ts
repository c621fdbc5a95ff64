import { invalidRequest, type OnetakeError } from '../tasks/errors.ts';

/**
 * `metadata[name]=value` among the parameters that a route does not name. Throws a 400 for any other parameter. `names`: what the route
 * takes, for its message.
 */
export function metadataFilter(
  parameters: Readonly<Record<string, unknown>>,
  url: string,
  names: string,
): Readonly<Record<string, string>> {
  // The schema library drops this parameter instead of passing it on.
  if (/[?&]__proto__(?:[=&]|$)/.test(url)) throw notFilter('__proto__', names);
  // Without a prototype, `__proto__` is an ordinary name.
  const filter: Record<string, string> = Object.create(null);
  for (const [parameter, value] of Object.entries(parameters)) {
    const name = /^metadata\[(.{1,64})\]$/s.exec(parameter)?.[1];
    if (name === undefined || typeof value !== 'string') throw notFilter(parameter, names);
    filter[name] = value;
  }
  return filter;
}

const notFilter = (parameter: string, names: string): OnetakeError =>
  invalidRequest(`${parameter} is not a filter; use ${names} or metadata[name], each once.`, parameter);
