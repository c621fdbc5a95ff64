import type { VideoRequest } from '../../tasks/request.ts';
import type { AccountLimits } from '../account.ts';
import type { Json, ParameterRow } from '../mapping/body.ts';
import type { ErrorRow } from '../mapping/errorTable.ts';

/** The members of a request that hold images. Of `references`, only images without a role. */
type ImageField = 'image' | 'lastFrame' | 'references';

/** The particulars of one package of the AI SDK. */
export interface PackageRow {
  /** Its name on npm. */
  readonly package: string;
  /** The version that this row was written and tested with, and that an operator is told to install. */
  readonly version: string;
  /** The `provider` of its catalogue entries, and the name of the account that environment variables make. */
  readonly id: string;
  /** Imports the package. Called only if an account uses it. */
  load(): Promise<Readonly<Record<string, unknown>>>;
  /** The export that creates the provider. */
  readonly factory: string;
  /** The name of the key in the factory's options. */
  readonly keyOption: string;
  /** The name of the base URL in the factory's options. Undefined if the package has none for videos; then its requests are redirected. */
  readonly baseUrlOption: string | undefined;
  /** The service's own address; undefined if it is not known. Credentials are sent only to its origin. */
  readonly baseUrl: string | undefined;
  /** Plain environment variables that make an account: the first of `keys` that is set, and the base URL. */
  readonly environment: { readonly keys: readonly string[]; readonly baseUrl: string };
  /** Its name in `providerOptions` of the AI SDK. */
  readonly optionsName: string;
  /** How a request becomes the options of `doStart`. */
  readonly parameters: readonly ParameterRow[];
  /** The images that the package sends. A request with another image is refused. */
  readonly images: readonly ImageField[];
  /** Members of `providerOptions` that a caller cannot set, because they determine the price or where results are stored. */
  readonly reserved: readonly string[];
  /** Reasons of refusals and failures. See also `COMMON_ERRORS`. */
  readonly errors: readonly ErrorRow[];
  /** Where the service's answers show the progress and the times of a job, which the AI SDK does not pass on. */
  readonly reports?: {
    readonly state?: string;
    /** Values of `state` for a job that waits. */
    readonly queued?: readonly string[];
    /** 0-100. */
    readonly progress?: string;
    /** How many jobs are before one that waits. */
    readonly queuePosition?: string;
    /** When work began on a job: seconds UTC, or a date by ISO 8601. */
    readonly startedAt?: string;
    /** When a job that is over ended, in the same forms. */
    readonly endedAt?: string;
  };
  /**
   * Whether an answer is the service's verdict on a job. For packages that report any failed request as a failed job. Without this
   * function, a failure that the package reads in a 2xx answer is a verdict.
   */
  isVerdict?(body: unknown): boolean;
  /** For packages that poll by asking for the result, if the service has a status with more to report. */
  readonly status?: {
    /** Appended to the address of the result. */
    readonly path: string;
    /** Whether this is the status of a job that is over, whose result can be asked for; undefined if it is no status. */
    isOver(body: unknown): boolean | undefined;
    /** The answer from which the package takes a job for unfinished. */
    readonly unfinished: { readonly status: number; readonly body: Json };
  };
  /** Corrects the address of a request about a model, where the package gets it wrong. */
  address?(url: string, modelId: string): string;
  /** Converts documented answers that the package cannot read into a form that it can. */
  repair?(body: unknown): unknown;
  readonly limits: AccountLimits;
}

/** The AI SDK's `resolution` is in pixels. */
const pixels = (_resolution: VideoRequest['resolution'], { width, height }: VideoRequest): string =>
  `${width}x${height}`;

/** A row for a package that is not in the table, by the AI SDK's own specification of a video model and with cautious limits. */
export function unknownPackage(name: string, factory: string): PackageRow {
  const id = name.replace(/^@ai-sdk\//, '');
  return {
    package: name,
    version: 'latest',
    id,
    load: () => import(name),
    factory,
    keyOption: 'apiKey',
    baseUrlOption: 'baseURL',
    baseUrl: undefined,
    environment: { keys: [], baseUrl: '' },
    optionsName: id,
    parameters: [
      { from: 'prompt', to: 'prompt' },
      { from: 'duration', to: 'duration' },
      { from: 'aspectRatio', to: 'aspectRatio' },
      { from: 'resolution', to: 'resolution', as: pixels },
      { from: 'seed', to: 'seed' },
      { from: 'generateAudio', to: 'generateAudio' },
      { from: 'negativePrompt', to: `providerOptions.${id}.negativePrompt` },
    ],
    images: ['image', 'lastFrame', 'references'],
    reserved: COMMON_RESERVED,
    errors: [],
    limits: {
      inFlight: 10,
      submitsPerMinute: 10,
      pollsPerSecond: 20,
      pollBatch: 1,
      minPollIntervalMs: 1000,
    },
  };
}

/** Members that determine the price or make a call wait, in any package. */
export const COMMON_RESERVED: readonly string[] = [
  'model',
  'duration',
  'resolution',
  'size',
  'n',
  'webhook',
  'callback_url',
  'pollIntervalMs',
  'pollTimeoutMs',
];
