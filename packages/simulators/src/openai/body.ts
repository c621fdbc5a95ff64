import type { FastifyRequest } from 'fastify';

/** An uploaded file. */
export interface Upload {
  readonly file: Buffer;
  readonly contentType: string;
}

/** A request body of either form: values, nested objects and files by field name. */
export type Body = Readonly<Record<string, unknown>>;

/**
 * Reads JSON or multipart. In multipart, nested objects have names like `input_reference[image_url]` (seen from the openai SDK),
 * and everything that is not a file is text.
 */
export async function readBody(request: FastifyRequest): Promise<Body> {
  if (!request.isMultipart()) return isObject(request.body) ? request.body : {};
  const body: Record<string, unknown> = {};
  for await (const part of request.parts()) {
    const value: unknown =
      part.type === 'file'
        ? ({ file: await part.toBuffer(), contentType: part.mimetype } satisfies Upload)
        : part.value;
    const [, name, inner] = /^([^[]+)\[([^\]]+)\]$/.exec(part.fieldname) ?? [];
    if (name === undefined || inner === undefined) {
      body[part.fieldname] = value;
    } else {
      const nested = body[name];
      body[name] = { ...(isObject(nested) ? nested : {}), [inner]: value };
    }
  }
  return body;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isUpload(value: unknown): value is Upload {
  return isObject(value) && Buffer.isBuffer(value.file);
}
