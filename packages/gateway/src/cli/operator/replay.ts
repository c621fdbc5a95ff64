import { storedId } from '../../providers/declared/id.ts';
import type { ProviderFile } from '../../providers/declared/schema.ts';
import { isObject } from '../../providers/mapping/jsonPath.ts';
import {
  type Answer,
  type Handle,
  type Job,
  type MadeJob,
  type Provider,
  type UnknownSubmission,
  UpstreamError,
} from '../../providers/provider.ts';
import type { RecordedAnswer, RecordedUpstream, SentRequest } from './recordedAnswers.ts';

type Example = ProviderFile['examples'][number];
type Expected = Example['expect'];

interface Outcome {
  readonly state?: Expected['state'];
  readonly id?: string;
  readonly jobs?: readonly { id: string; state: string }[];
  readonly reason?: string;
  readonly created?: string;
  readonly result?: string;
  readonly video_id?: string | undefined;
  readonly progress?: number;
  readonly detail?: string | undefined;
}

interface Replay {
  readonly provider: Provider;
  readonly upstream: RecordedUpstream;
  /** The job that a body of a client becomes. Throws if no model of the file takes it. */
  readonly jobOf: (body: unknown) => Job;
  /** What the uploads before its submission are answered with. */
  readonly uploadAnswers: (job: Job) => readonly RecordedAnswer[];
  /** The jobs that earlier examples have submitted, the latest first. This one adds its own. */
  readonly made: MadeJob[];
  /** Sets the time, as which the answers are dated. Milliseconds UTC. */
  readonly setTime: (now: number) => void;
}

/** Time limit of a call. The server is in this process. Milliseconds. */
const CALL_MS = 60_000;
/** How long after its submission a lost job is looked for. It would be in every list by then. Milliseconds. */
const LATER_MS = 10 * 60_000;

/** What is not as an example expects, one sentence each. */
export async function replay(example: Example, parts: Replay): Promise<string[]> {
  const { answer, answers = answer ? [answer] : [] } = example;
  const { sends, id, jobs, ...expected } = example.expect;
  let act: () => Promise<Outcome>;
  let uploads: readonly RecordedAnswer[];
  try {
    act = actionOf(example, parts);
    uploads = example.submit ? parts.uploadAnswers(parts.jobOf(example.submit)) : [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  const { sent, outcome } = await parts.upstream.answering([...uploads, ...answers], () => outcomeOf(act));
  const wanted = {
    ...expected,
    ...(id === undefined ? {} : { id: storedId(id) }),
    ...(jobs && { jobs: jobs.map((job) => ({ ...job, id: storedId(job.id) })) }),
  };
  return [...differences(wanted, outcome, ''), ...unlikeSent(sends, sent)];
}

/** Throws if the file cannot do it, or its body is not taken. */
function actionOf(example: Example, { provider, jobOf, setTime, made }: Replay): () => Promise<Outcome> {
  const { submit, poll, many, cancel, find, sent_at: sentAt } = example;
  if (submit) {
    const job = jobOf(submit);
    return async () => {
      const { upstreamId: id, state } = await provider.submit(job, { signal: soon(), maySend: () => true });
      made.unshift({ ...job, upstreamId: id });
      return { id, state };
    };
  }
  if (find) {
    if (!provider.find) throw new Error('the file has no find');
    const sent = sentAt === undefined ? Date.now() : Date.parse(sentAt);
    setTime(sent + LATER_MS);
    const lost = lostSubmission(jobOf(find), sent, made);
    return async () => found(await provider.find?.(lost, soon()));
  }
  if (many) {
    if (!provider.pollMany) throw new Error('the file has no many');
    return async () => {
      const read = await provider.pollMany?.(many.map(handleOf), soon());
      return { jobs: Array.from(read ?? [], ([id, { state }]) => ({ id, state })) };
    };
  }
  if (cancel !== undefined) {
    if (!provider.cancel) throw new Error('the file has no cancel');
    return async () => ({ state: await provider.cancel?.(handleOf(cancel), soon()) });
  }
  return async () => answered(await provider.poll(handleOf(poll), soon()));
}

const soon = (): AbortSignal => AbortSignal.timeout(CALL_MS);

const handleOf = (id: unknown): Handle => ({
  upstreamId: storedId(id),
  upstreamModel: 'example',
  idempotencyKey: 'example',
  intendedAt: 0,
});

const lostSubmission = (job: Job, sentAt: number, made: readonly MadeJob[]): UnknownSubmission => ({
  ...job,
  intendedAt: sentAt,
  intendedThereAt: sentAt,
  sinceGivenUp: () => LATER_MS,
  isKnown: async () => false,
  earlier: async () => made,
});

const answered = (answer: Answer): Outcome =>
  answer.state === 'succeeded'
    ? { state: answer.state, result: answer.result.ref, video_id: answer.result.id }
    : answer;

function found(outcome: Awaited<ReturnType<NonNullable<Provider['find']>>> | undefined): Outcome {
  if (!outcome?.found) return { state: outcome?.certainty };
  return { state: 'found', id: outcome.upstreamId };
}

async function outcomeOf(call: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const { reason, created, detail } = error;
    return { state: 'error', reason, created, detail };
  }
}

function unlikeSent(sends: Expected['sends'], sent: readonly SentRequest[]): string[] {
  if (!Array.isArray(sends)) return differences(sends ?? {}, sent.at(-1) ?? {}, 'sends');
  return [
    ...(sends.length === sent.length ? [] : [`sends ${sent.length} requests, expected ${sends.length}`]),
    ...sends.flatMap((one, index) => differences(one, sent[index] ?? {}, `sends.${index}`)),
  ];
}

/** Where a value does not have what is expected of it, one sentence each. Members that are not expected may be there. */
function differences(expected: unknown, found: unknown, at: string): string[] {
  if (isObject(expected))
    return Object.entries(expected).flatMap(([name, value]) =>
      differences(value, isObject(found) ? found[name] : undefined, at === '' ? name : `${at}.${name}`),
    );
  const [wanted, got] = [JSON.stringify(expected), JSON.stringify(found)];
  return wanted === got || expected === undefined ? [] : [`${at} is ${got ?? 'absent'}, expected ${wanted}`];
}
