import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { list, shown } from '../catalogue/words.ts';
import { invalidRequest, type OnetakeError } from '../tasks/errors.ts';
import { isOfOpenAiApi } from './openaiVideos/errors.ts';

const METADATA = /^metadata\[(.{1,64})\]$/s;
/** How many unknown parameters an error names. */
const LISTED = 10;

/**
 * The 400 for query parameters that the schema of the route does not have. A loose schema takes `metadata[name]` as well. Looks at the
 * decoded names before validation, which drops some of them.
 */
export function unknownParameters(request: FastifyRequest): OnetakeError | undefined {
  const { schema, config, url = '' } = request.routeOptions;
  // Nothing is routed there, or what answers is not ours: a 404, a 405, `/docs`.
  if (!schema || (schema.hide && !schema.querystring) || config.takesAnyQuery) return undefined;
  const { shape, def } = (schema.querystring ?? NO_PARAMETERS) as z.ZodObject;
  const isLoose = def.catchall instanceof z.ZodUnknown;
  const unknown = Object.keys(request.query as object).filter(
    (name) => !Object.hasOwn(shape, name) && !(isLoose && METADATA.test(name)),
  );
  if (unknown.length === 0) return undefined;
  const known = [...Object.keys(shape), ...(isLoose ? ['metadata[name]'] : [])];
  const named = [...unknown.slice(0, LISTED).map(shown), ...(unknown.length > LISTED ? ['others'] : [])];
  const what = unknown.length === 1 ? 'is not a query parameter' : 'are not query parameters';
  return invalidRequest(
    `${list(named, 'and')} ${what} of this call; it takes ${known.length === 0 ? 'none' : list(known, 'and')}.`,
    unknown[0]?.slice(0, 64).toWellFormed(),
    isOfOpenAiApi(url) ? 'unknown_parameter' : undefined,
  );
}

/** The query of a call that takes no parameters. */
export const NO_PARAMETERS = z.object({});

/** `metadata[name]=value` among the parameters of a route. */
export function metadataFilter(
  parameters: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  // Without a prototype, `__proto__` is an ordinary name.
  const filter: Record<string, string> = Object.create(null);
  for (const [parameter, value] of Object.entries(parameters)) {
    const name = METADATA.exec(parameter)?.[1];
    if (name === undefined) continue;
    if (typeof value !== 'string')
      throw invalidRequest(`${parameter} is given more than once; give it once.`, parameter);
    filter[name] = value;
  }
  return filter;
}
