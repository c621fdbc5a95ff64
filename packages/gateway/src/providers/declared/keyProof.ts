import { createHash } from 'node:crypto';
import type { MadeJob } from '../provider.ts';
import { fillCall, requestScope, type Scope } from './request.ts';
import type { ProviderFile } from './schema.ts';

/**
 * Whether a search by key can be believed if it finds nothing. An upstream that drops the key it is given would never find any job, and each
 * lost one would count as never made, and be made and billed again. So the same search must find a job that was made.
 */
export interface KeyProof {
  /** Whether the job of a submission would be found. `finds`: searches for a job that was made, by its key. */
  isGiven(
    scope: Scope,
    earlier: readonly MadeJob[],
    finds: (scope: Scope, upstreamId: string) => Promise<boolean>,
  ): Promise<boolean>;
}

/** Searches for jobs that were made: an upstream forgets some. */
const MOST_SEARCHES = 3;

export function createKeyProof(file: ProviderFile): KeyProof {
  /** Paths of which a job was found. An upstream may keep keys of some kinds of jobs, and drop those of others. */
  const proven = new Set<string>();

  /** The path that a submission is sent to; undefined if it does not carry the key. */
  async function keyedPath(scope: Scope): Promise<string | undefined> {
    // Without its images, a request may not be filled in. Then nobody knows.
    const call = await fillCall(file.submit, scope, 'POST').catch(() => undefined);
    if (!call) return undefined;
    // Some upstreams want it as a UUID.
    const sent = JSON.stringify(call).replaceAll('-', '').toLowerCase();
    return sent.includes(String(scope.key)) ? call.path.split('?')[0] : undefined;
  }

  return {
    async isGiven(scope, earlier, finds) {
      const path = await keyedPath(scope);
      if (path === undefined) return false;
      if (proven.has(path)) return true;
      let searches = 0;
      for (const made of earlier) {
        const its = requestScope(made, file);
        if ((await keyedPath(its)) !== path) continue;
        if (await finds(its, made.upstreamId)) {
          proven.add(path);
          return true;
        }
        searches += 1;
        if (searches === MOST_SEARCHES) break;
      }
      return false;
    },
  };
}

/** A hash of everything in a file that decides how jobs are made and found, and of the address. */
export function findVersionOf(file: ProviderFile, baseUrl: string): string {
  const how = { ...file, models: undefined, title: undefined };
  const text = JSON.stringify([how, baseUrl], (_name, value) =>
    value instanceof RegExp ? String(value) : value,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
