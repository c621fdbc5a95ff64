import { Readable } from 'node:stream';
import { createCatalogue } from '../../catalogue/catalogue.ts';
import type { DraftReference } from '../../catalogue/validate/references.ts';
import { checkRequest, type DraftRequest } from '../../catalogue/validate/request.ts';
import type { Log } from '../../observability/log.ts';
import { type DeclaredAccount, declaredDefinition } from '../../providers/declared/definition.ts';
import { sampleId } from '../../providers/declared/id.ts';
import { modelsOf } from '../../providers/declared/load.ts';
import type { ProviderFile } from '../../providers/declared/schema.ts';
import { countUploads } from '../../providers/declared/upload.ts';
import { type Job, type Provider, UpstreamError } from '../../providers/provider.ts';
import { createRegistry, type Registry } from '../../providers/registry.ts';
import type { InputRef, Reference, SourceVideo, VideoRequest } from '../../tasks/request.ts';
import { type Clock, systemClock } from '../../time/clock.ts';
import {
  type RecordedAnswer,
  type RecordedUpstream,
  type SentRequest,
  serveRecorded,
} from './recordedAnswers.ts';
import { replay } from './replay.ts';

/** What a file would do, found out without a request to its upstream. */
export interface Rehearsal {
  /** What is sent for the plainest requests of each model. */
  readonly samples: readonly {
    readonly about: string;
    readonly sent: SentRequest | undefined;
    readonly problem: string | undefined;
  }[];
  /** The examples of the file, each with what is not as it expects. */
  readonly examples: readonly { readonly name: string; readonly problems: readonly string[] }[];
}

/** A whole PNG, one pixel large. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);
/** The answer to a sample: it is refused, because only the request matters. */
const REFUSED: RecordedAnswer = { status: 400, headers: {}, body: {} };

/** Time limit of a call. The server is in this process. Milliseconds. */
const CALL_MS = 60_000;

/** Runs the adapter of a file against a server of this process that gives recorded answers. */
export async function rehearse(file: ProviderFile, log: Log): Promise<Rehearsal> {
  let time: number | undefined;
  const clock = { now: () => time ?? systemClock.now() };
  const upstream = await serveRecorded(clock);
  const registry = await openAt(upstream.origin, file, { log, clock });
  const [account] = registry.accounts;
  if (!account) throw new Error('the registry has opened no account');
  const { provider } = account;
  try {
    const samples = [];
    for (const { about, job, problem } of samplesOf(file)) {
      if (!job) samples.push({ about, sent: undefined, problem });
      else samples.push({ about, ...(await sampled(job, file, provider, upstream)) });
    }
    const parts = {
      provider,
      upstream,
      jobOf: (body: unknown) => jobOf(file, body),
      uploadAnswers: (job: Job) => uploadAnswers(file, job),
      made: [],
      setTime(now: number) {
        time = now;
      },
    };
    const examples = [];
    for (const example of file.examples) {
      time = undefined;
      examples.push({ name: example.name, problems: await replay(example, parts) });
    }
    return { samples, examples };
  } finally {
    await registry.close();
    await upstream.close();
  }
}

async function sampled(job: Job, file: ProviderFile, provider: Provider, upstream: RecordedUpstream) {
  const uploads = uploadAnswers(file, job);
  const sending = { signal: AbortSignal.timeout(CALL_MS), maySend: () => true };
  const { sent, outcome } = await upstream.answering([...uploads, REFUSED], () =>
    provider.submit(job, sending).catch((error: unknown) => error),
  );
  const submission = sent[uploads.length];
  const detail = outcome instanceof UpstreamError ? outcome.detail : undefined;
  return { sent: submission, problem: submission ? undefined : (detail ?? 'nothing was sent') };
}

/** The answers to the uploads of a submission. */
const uploadAnswers = (file: ProviderFile, { request }: Job): RecordedAnswer[] =>
  Array.from({ length: countUploads(file, request) }, () => ({
    status: 200,
    headers: {},
    body: file.upload?.example,
  }));

/** An account with words in place of secrets. A token that would have to be fetched is one of these words, too. */
function openAt(origin: string, file: ProviderFile, parts: { log: Log; clock: Clock }): Promise<Registry> {
  const { auth, provider: id } = file;
  const { pathname } = new URL(file.base_url);
  const definition = declaredDefinition(
    auth.kind === 'oauth' ? { ...file, auth: { kind: 'bearer', token: auth.client_secret } } : file,
  );
  const account: DeclaredAccount = {
    resultHosts: undefined,
    baseUrl: `${origin}${pathname === '/' ? '' : pathname}`,
    secrets: Object.fromEntries(Object.keys(file.credentials).map((name) => [name, `<${name}>`])),
  };
  return createRegistry({
    settings: { dataDir: '', previewConcurrency: 0, accounts: [{ id, definition, account }] },
    callback: () => ({ url: `https://gateway.example/callbacks/${id}`, token: 'token' }),
    ...parts,
  });
}

interface Sample {
  readonly about: string;
  readonly job?: Job;
  readonly problem?: string;
}

/** The plainest requests that each model takes: from a text, an image, a reference or a video. */
const samplesOf = (file: ProviderFile): Sample[] =>
  Object.keys(file.models).flatMap((model) => {
    const body = { model, prompt: 'a paper boat' };
    const samples = [
      sampleOf(file, `${model}, from a text`, body),
      sampleOf(file, `${model}, from an image`, { ...body, image: 'https://example.com/boat.png' }),
      sampleOf(file, `${model}, from a reference`, {
        ...body,
        reference_images: ['https://example.com/boat.png'],
      }),
      sampleOf(file, `${model}, from a video of its own`, {
        ...body,
        video_url: 'https://example.com/boat.mp4',
      }),
    ];
    const taken = samples.filter(({ job }) => job);
    return taken.length > 0 ? taken : samples.slice(0, 1);
  });

function sampleOf(file: ProviderFile, about: string, body: unknown): Sample {
  try {
    return { about, job: jobOf(file, body) };
  } catch (error) {
    return { about, problem: error instanceof Error ? error.message : String(error) };
  }
}

const catalogueOf = (file: ProviderFile) => createCatalogue({ declared: modelsOf(file), servers: [] });

/** The job that a body of a client becomes. Throws an `OnetakeError` if no model of the file takes it. */
function jobOf(file: ProviderFile, body: unknown): Job {
  const catalogue = catalogueOf(file);
  const { draft, model } = checkRequest(body, catalogue);
  const isOwn = draft.videoUrl !== undefined && model.parameters.videoUrl?.of === 'own';
  const request = stored({ ...draft, ...(isOwn ? { source: sourceOf(file) } : {}) });
  return {
    taskId: 'vid_example',
    attempt: 1,
    idempotencyKey: '0123456789abcdef0123456789abcdef',
    upstreamModel: catalogue.upstreamModelAt({ providerId: model.provider, official: true }, request),
    request: catalogue.upstreamRequest(request) ?? request,
    openInput: async () => Readable.from([PIXEL]),
  };
}

/** A video that was made before, with words in place of ids. */
const sourceOf = ({ job: { id } }: ProviderFile): SourceVideo => ({
  taskId: 'vid_source',
  accountId: 'example',
  upstreamId: sampleId(id),
  ref: 'https://example.com/boat.mp4',
  resultId: '<video_id>',
});

function stored({ image, lastFrame, references, ...draft }: DraftRequest): VideoRequest {
  const input: InputRef = {
    mediaId: 'example',
    contentType: 'image/png',
    bytes: PIXEL.length,
    width: 1,
    height: 1,
    sourceUrl: 'https://example.com/boat.png',
  };
  return {
    ...draft,
    ...(image === undefined ? {} : { image: input }),
    ...(lastFrame === undefined ? {} : { lastFrame: input }),
    ...(references === undefined ? {} : { references: references.map((one) => storedReference(one, input)) }),
  };
}

function storedReference({ type, role }: DraftReference, image: InputRef): Reference {
  const clip = { ...image, duration: 5, fps: 24 };
  const given = role === undefined ? {} : { role };
  if (type === 'image') return { type, ...given, input: image };
  return type === 'video'
    ? { type, ...given, input: { ...clip, contentType: 'video/mp4' } }
    : { type, ...given, input: { ...clip, contentType: 'audio/mpeg' } };
}
