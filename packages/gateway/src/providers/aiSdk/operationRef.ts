import { z } from 'zod';
import type { Operation } from './videoModel.ts';

/** A job as the bridge knows it: what its package needs to ask about it, and which package that is. */
const OperationRef = z.object({
  package: z.string(),
  version: z.string(),
  modelId: z.string(),
  operation: z.json(),
});

export interface OperationRef {
  readonly package: string;
  readonly version: string;
  readonly modelId: string;
  readonly operation: Operation;
}

/** Characters. Packages keep an id or a URL or two; a row of the store should not carry more. */
const MAX_LENGTH = 4096;

/** The upstream id of a job; undefined where it would be too long to keep. */
export function writeRef(ref: OperationRef): string | undefined {
  const text = JSON.stringify(ref);
  return text.length > MAX_LENGTH ? undefined : text;
}

/** What an upstream id stands for; undefined where it is none of the bridge's. */
export function readRef(upstreamId: string): OperationRef | undefined {
  try {
    const { data } = OperationRef.safeParse(JSON.parse(upstreamId));
    // JSON by the schema above, whose type is the stricter one.
    return data && { ...data, operation: data.operation as Operation };
  } catch {
    return undefined;
  }
}
