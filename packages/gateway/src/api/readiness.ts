import { OnetakeError } from '../tasks/errors.ts';

/** By name of the part: `ok`, or a sentence that says what is wrong. The sentence is public. */
export type PartStates = Readonly<Record<string, string>>;

/** A part that the gateway cannot work without. */
export interface ReadinessCheck {
  /** Its name on the wire: `store`. */
  readonly part: string;
  /** The subject of sentences about it: `The store`. */
  readonly name: string;
  /** Resolves if the part works. The message of an `OnetakeError` is shown publicly; any other error is only logged. */
  check(): Promise<void>;
  /** How long a success is cached, milliseconds, for checks that write. By default it is not cached. */
  readonly keepMs?: number;
}

/** A problem that an operator should fix, although the gateway still works. */
export interface ReadinessWarning {
  readonly part: string;
  /** A public sentence that says what is wrong; undefined if nothing is. */
  warning(): string | undefined;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly parts: PartStates;
  readonly warnings: PartStates;
}

export interface Readiness {
  /** Checks every part. Concurrent callers share one result. */
  check(): Promise<ReadinessReport>;
}

export interface ReadinessParts {
  readonly checks: readonly ReadinessCheck[];
  readonly warnings?: readonly ReadinessWarning[];
  /** Called with the reason if a part does not work, for the log. */
  readonly onFailure: (part: string, cause: unknown) => void;
  /** Timeout of the check of one part, milliseconds. */
  readonly timeoutMs?: number;
  /** A monotonic clock, milliseconds. */
  readonly now?: () => number;
}

/** Shorter than the timeouts of common probes (deploy/ sets those of Kubernetes), so that the answer can name a part that hangs. */
const TIMEOUT_MS = 3000;
/** A check that hangs is not repeated until it is this many timeouts old. */
const GIVE_UP_AFTER = 10;

export function createReadiness({
  checks,
  warnings = [],
  onFailure,
  timeoutMs = TIMEOUT_MS,
  now = () => performance.now(),
}: ReadinessParts): Readiness {
  const running = new Map<string, { readonly since: number; readonly ended: Promise<void> }>();
  let shared: Promise<ReadinessReport> | undefined;

  const goodUntil = new Map<string, number>();

  /** Joins the running check of a part, or starts a new one. */
  function run({ part, check, keepMs = 0 }: ReadinessCheck): Promise<void> {
    if (now() < (goodUntil.get(part) ?? 0)) return Promise.resolve();
    const current = running.get(part);
    if (current && now() - current.since < GIVE_UP_AFTER * timeoutMs) return current.ended;
    // The async wrapper turns a synchronous throw into a rejection.
    const started = { since: now(), ended: (async () => check())() };
    running.set(part, started);
    const forget = () => {
      if (running.get(part) === started) running.delete(part);
    };
    started.ended.then(() => {
      forget();
      goodUntil.set(part, now() + keepMs);
    }, forget);
    return started.ended;
  }

  async function stateOf(check: ReadinessCheck): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const message = `${check.name} does not answer within ${timeoutMs / 1000} s.`;
      timer = setTimeout(() => reject(new OnetakeError('not_ready', 503, message)), timeoutMs);
    });
    try {
      await Promise.race([run(check), late]);
      return 'ok';
    } catch (error) {
      onFailure(check.part, error);
      // A driver's message may name hosts and users. Only the messages of `OnetakeError` are public.
      return error instanceof OnetakeError ? error.message : `${check.name} does not work; see the log.`;
    } finally {
      clearTimeout(timer);
    }
  }

  async function ask(): Promise<ReadinessReport> {
    const states = await Promise.all(
      checks.map(async (check): Promise<[string, string]> => [check.part, await stateOf(check)]),
    );
    const wrong = warnings.flatMap(({ part, warning }): [string, string][] => {
      const text = warning();
      return text === undefined ? [] : [[part, text]];
    });
    return {
      ready: states.every(([, state]) => state === 'ok'),
      parts: Object.fromEntries(states),
      warnings: Object.fromEntries(wrong),
    };
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
