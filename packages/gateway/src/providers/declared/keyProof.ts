import { fillCall, type Scope } from './request.ts';
import type { ProviderFile } from './schema.ts';

/** A submission that was answered. */
export interface Made {
  /** What `submit` read. */
  readonly scope: Scope;
  readonly upstreamId: string;
}

/**
 * Whether a search by key can be believed if it finds nothing. An upstream that drops the key it is given would never find any job, and each
 * lost one would count as never made, and be made and billed again. So the same search must have found a job that was made.
 */
export interface KeyProof {
  /** Never throws, because the job is paid for. */
  submitted(made: Made): Promise<void>;
  /** Whether a job of this submission would be found. `finds`: searches for a job that was made, by its key. */
  isGiven(scope: Scope, finds: (made: Made) => Promise<boolean>): Promise<boolean>;
}

/** Paths that make jobs, of which proofs are kept. A path may name the source of a video, so there may be any number. */
const MOST_CALLS = 16;

export function createKeyProof({ submit }: Pick<ProviderFile, 'submit'>): KeyProof {
  /** The last job that a call to each path has made, or that it was found. An upstream may keep keys of some kinds of jobs, and drop those of others. */
  const proofs = new Map<string, Made | 'found'>();

  /** The path that a submission is sent to; undefined if it does not carry the key. */
  async function keyedPath(scope: Scope): Promise<string | undefined> {
    // Without its images, a request may not be filled in. Then nobody knows.
    const call = await fillCall(submit, scope, 'POST').catch(() => undefined);
    if (!call) return undefined;
    // Some upstreams want it as a UUID.
    const sent = JSON.stringify(call).replaceAll('-', '').toLowerCase();
    return sent.includes(String(scope.key)) ? call.path.split('?')[0] : undefined;
  }

  return {
    async submitted(made) {
      const path = await keyedPath(made.scope);
      if (path === undefined || proofs.get(path) === 'found') return;
      proofs.delete(path);
      proofs.set(path, made);
      const [oldest] = proofs.keys();
      if (proofs.size > MOST_CALLS && oldest !== undefined) proofs.delete(oldest);
    },

    async isGiven(scope, finds) {
      const path = await keyedPath(scope);
      const proof = path === undefined ? undefined : proofs.get(path);
      if (path === undefined || proof === undefined) return false;
      if (proof === 'found') return true;
      if (!(await finds(proof))) return false;
      proofs.set(path, 'found');
      return true;
    },
  };
}
