import { OnetakeError } from '../tasks/errors.ts';

/** What the gateway cannot work without. */
export const PARTS = ['store', 'feed', 'storage'] as const;
export type Part = (typeof PARTS)[number];

/** `ok`, or what is wrong: a sentence that anybody may read. */
export type PartStates = Readonly<Record<Part, string>>;

const NAMES: Readonly<Record<Part, string>> = {
  store: 'The store',
  feed: 'The feed of changes',
  storage: 'The media storage',
};

export interface Readiness {
  /** Asks every part. Whoever asks meanwhile shares the answer. */
  check(): Promise<PartStates>;
}

export interface ReadinessParts {
  /** Each resolves if its part works. */
  readonly checks: Readonly<Record<Part, () => Promise<void>>>;
  /** Told why a part does not work, for the log. */
  readonly onFailure: (part: Part, cause: unknown) => void;
  /** Milliseconds a part may take. */
  readonly timeoutMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Below the time-outs of common probes (Kubernetes' are set in deploy/), so that a hung part is told by us. */
const TIMEOUT_MS = 3000;
/** A check that hangs is waited for, not repeated beside itself, until it is this many time-outs old. */
const GIVE_UP_AFTER = 10;

export function createReadiness({
  checks,
  onFailure,
  timeoutMs = TIMEOUT_MS,
  now = () => performance.now(),
}: ReadinessParts): Readiness {
  const running = new Map<Part, { readonly since: number; readonly ended: Promise<void> }>();
  let shared: Promise<PartStates> | undefined;

  /** The check of a part that is under way, or a new one. */
  function run(part: Part): Promise<void> {
    const current = running.get(part);
    if (current && now() - current.since < GIVE_UP_AFTER * timeoutMs) return current.ended;
    // In a function of its own, so that a check that throws at once is a check that failed.
    const started = { since: now(), ended: (async () => checks[part]())() };
    running.set(part, started);
    const forget = () => {
      if (running.get(part) === started) running.delete(part);
    };
    started.ended.then(forget, forget);
    return started.ended;
  }

  async function stateOf(part: Part): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const message = `${NAMES[part]} does not answer within ${timeoutMs / 1000} s.`;
      timer = setTimeout(() => reject(new OnetakeError('not_ready', 503, message)), timeoutMs);
    });
    try {
      await Promise.race([run(part), late]);
      return 'ok';
    } catch (error) {
      onFailure(part, error);
      // The words of a driver may name hosts and users; ours were written to be read by anybody.
      return error instanceof OnetakeError ? error.message : `${NAMES[part]} does not work; see the log.`;
    } finally {
      clearTimeout(timer);
    }
  }

  async function ask(): Promise<PartStates> {
    const [store, feed, storage] = await Promise.all([stateOf('store'), stateOf('feed'), stateOf('storage')]);
    return { store, feed, storage };
  }

  return {
    check() {
      shared ??= ask().finally(() => {
        shared = undefined;
      });
      return shared;
    },
  };
}
