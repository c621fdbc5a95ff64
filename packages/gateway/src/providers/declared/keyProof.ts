import { createHash } from 'node:crypto';
import type { MadeJob } from '../provider.ts';
import { type FilledCall, fillCall, requestScope, type Scope } from './request.ts';
import type { CallClause, ProviderFile } from './schema.ts';

/**
 * Whether a search by key can be believed if it finds nothing. An upstream that drops the key it is given would never find any job, and each
 * lost one would count as never made, and be made and billed again. So the same search must find a job of the same kind that was made.
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
/** Kinds that are remembered. A path may name the source of a video, so there may be any number. */
const MOST_KINDS = 1000;

/** `search`: the call that looks for a job by its key. */
export function createKeyProof(file: ProviderFile, search: CallClause): KeyProof {
  /** Kinds of jobs of which one was found. */
  const proven = new Set<string>();

  /**
   * What an upstream may go by when it keeps a key or drops it: the model, where the key is in the request, and what is called. Undefined if
   * the submission does not carry the key.
   */
  async function kindOf(scope: Scope): Promise<string | undefined> {
    // Without its images, a request may not be filled in. Then nobody knows.
    const calls = await Promise.all([
      fillCall(file.submit, scope, 'POST'),
      fillCall(search, { ...scope, page: 1 }, 'GET'),
    ]).catch(() => undefined);
    if (!calls) return undefined;
    const [submit, find] = calls;
    const key = String(scope.key);
    const places = placesOf(submit, key);
    if (places.length === 0) return undefined;
    return JSON.stringify([scope.model, pathOf(submit, key), places, pathOf(find, key)]);
  }

  return {
    async isGiven(scope, earlier, finds) {
      const kind = await kindOf(scope);
      if (kind === undefined) return false;
      if (proven.has(kind)) return true;
      let searches = 0;
      for (const made of earlier) {
        const its = requestScope(made, file);
        if ((await kindOf(its)) !== kind) continue;
        if (await finds(its, made.upstreamId)) {
          if (proven.size >= MOST_KINDS) proven.clear();
          proven.add(kind);
          return true;
        }
        searches += 1;
        if (searches === MOST_SEARCHES) break;
      }
      return false;
    },
  };
}

/** Some upstreams want the key as a UUID. */
const plain = (text: string): string => text.replaceAll('-', '').toLowerCase();

/** The path of a call without its query and without the key. */
const pathOf = ({ method, path }: FilledCall, key: string): string =>
  `${method} ${plain(path.split('?')[0] ?? '').replaceAll(key, '')}`;

/** Where a key is in a request, as paths of its members. */
function placesOf(value: unknown, key: string, at = ''): string[] {
  if (typeof value === 'string') return plain(value).includes(key) ? [at] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    // Fields of a form are known by their names: which others there are depends on the request.
    const field: unknown = Array.isArray(value) ? Object(member).name : name;
    return placesOf(member, key, `${at}/${field ?? ''}`);
  });
}

/**
 * A hash of everything that decides how jobs are made and looked for, and where: a proof by jobs of another file, address or upstream account
 * would prove nothing. `credentials`: those that the upstream knows the account by.
 */
export function findVersionOf(
  { submit, upload, headers, find, job, auth }: ProviderFile,
  baseUrl: string,
  credentials: readonly string[],
): string {
  const how = [submit, upload, headers, find, job.id, auth, baseUrl, credentials];
  return createHash('sha256').update(JSON.stringify(how)).digest('hex').slice(0, 32);
}
