/** Each text continues "the URL …" and says what to do. None reveals what a name resolved to. */
const MESSAGES = {
  bad_url:
    'is not an absolute http or https URL without a user name; check it, also for spaces and control characters',
  bad_port: 'has a port that is not allowed; use 80, 443, or one from 1024 up',
  // A name that is not found and an internal name have the same message, so that internal names cannot be probed.
  not_public:
    'leads to a host that does not exist or has no public address; give one that the internet can reach (others only if the operator lists them in ONETAKE_ALLOW_PRIVATE_HOSTS)',
  unreachable: 'did not give a valid HTTP answer; check that it works from the internet',
  timed_out: 'did not give its whole answer in time; use a faster host',
  too_many_redirects: 'redirects too often; give the address it leads to in the end',
  bad_redirect: 'redirects without saying where to; give the address it leads to in the end',
  too_large: 'leads to a file that is too large; give a smaller one',
  wrong_type: 'leads to a file of the wrong type',
  compressed: 'gave a compressed answer, although none was asked for; turn that off, or use another host',
} as const;

export type FetchProblem = keyof typeof MESSAGES;

/** Why a caller's URL could not be fetched. `message` may be shown to the caller; `detail` and `cause` may not. */
export class FetchError extends Error {
  readonly problem: FetchProblem;
  readonly detail: string | undefined;

  constructor(problem: FetchProblem, detail?: string, cause?: unknown) {
    super(`the URL ${MESSAGES[problem]}`, cause === undefined ? undefined : { cause });
    this.name = 'FetchError';
    this.problem = problem;
    this.detail = detail;
  }
}
