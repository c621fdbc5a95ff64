import { OnetakeError } from '../tasks/errors.ts';

/** `ok`, or what is wrong: a sentence that anybody may read; by the name of the part. */
export type PartStates = Readonly<Record<string, string>>;

/** Something that the gateway cannot work without. */
export interface ReadinessCheck {
  /** Its name on the wire: `store`. */
  readonly part: string;
  /** How a sentence about it begins: `The store`. */
  readonly name: string;
  /** Resolves if the part works; throws an `OnetakeError` whose message anybody may read, or what only the log may tell. */
  check(): Promise<void>;
  /** Milliseconds for which a good answer is kept: for checks that write, however many ask. None unless told. */
  readonly keepMs?: number;
}

/** Something that the gateway can work without for a while, and an operator should mend. */
export interface ReadinessWarning {
  readonly part: string;
  /** What is wrong, in a sentence that anybody may read; undefined where nothing is. */
  warning(): string | undefined;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly parts: PartStates;
  readonly warnings: PartStates;
}

export interface Readiness {
  /** Asks every part. Whoever asks meanwhile shares the answer. */
  check(): Promise<ReadinessReport>;
}

export interface ReadinessParts {
  readonly checks: readonly ReadinessCheck[];
  readonly warnings?: readonly ReadinessWarning[];
  /** Told why a part does not work, for the log. */
  readonly onFailure: (part: string, cause: unknown) => void;
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
  warnings = [],
  onFailure,
  timeoutMs = TIMEOUT_MS,
  now = () => performance.now(),
}: ReadinessParts): Readiness {
  const running = new Map<string, { readonly since: number; readonly ended: Promise<void> }>();
  let shared: Promise<ReadinessReport> | undefined;

  const goodUntil = new Map<string, number>();

  /** The check of a part that is under way, or a new one. */
  function run({ part, check, keepMs = 0 }: ReadinessCheck): Promise<void> {
    if (now() < (goodUntil.get(part) ?? 0)) return Promise.resolve();
    const current = running.get(part);
    if (current && now() - current.since < GIVE_UP_AFTER * timeoutMs) return current.ended;
    // In a function of its own, so that a check that throws at once is a check that failed.
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
      // The words of a driver may name hosts and users; ours were written to be read by anybody.
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
