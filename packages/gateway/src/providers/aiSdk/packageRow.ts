import type { VideoRequest } from '../../tasks/request.ts';
import type { AccountLimits } from '../account.ts';
import type { ParameterRow } from '../mapping/body.ts';
import type { ErrorRow } from '../mapping/errorTable.ts';

/** Images of a request, by their place in it. */
type ImageField = 'image' | 'lastFrame' | 'referenceImages';

/** What is particular to one package of the AI SDK. */
export interface PackageRow {
  /** On npm. */
  readonly package: string;
  /** The version it was read and run with: what an operator is told to install. */
  readonly version: string;
  /** The `provider` of its catalogue entries, and the name of its account in the environment. */
  readonly id: string;
  /** Imported only when an account asks for it. */
  load(): Promise<Readonly<Record<string, unknown>>>;
  /** The export that makes the provider. */
  readonly factory: string;
  /** How the factory's options call the key and the base URL. */
  readonly keyOption: string;
  /** Undefined where the package has none for videos: then calls to the service's own origin are redirected. */
  readonly baseUrlOption: string | undefined;
  /** The service's own address; undefined where it is not known. Credentials go to its origin alone. */
  readonly baseUrl: string | undefined;
  /** Plain environment variables that make an account: the key, the first that is set, and the base URL. */
  readonly environment: { readonly keys: readonly string[]; readonly baseUrl: string };
  /** Its name in `providerOptions` of the AI SDK. */
  readonly optionsName: string;
  /** From a request to the options of `doStart`. */
  readonly parameters: readonly ParameterRow[];
  /** The images that the package sends on; a request with another one is refused. */
  readonly images: readonly ImageField[];
  /** Members of `providerOptions` that a caller must not reach: they decide what is paid for, or where results go. */
  readonly reserved: readonly string[];
  /** Reasons of refusals and failures; see also `COMMON_ERRORS`. */
  readonly errors: readonly ErrorRow[];
  /** Where an answer of the service tells how far a job is, which the AI SDK does not pass on. */
  readonly reports?: {
    readonly state?: string;
    /** Words of `state` for a job that waits. */
    readonly queued?: readonly string[];
    /** 0-100. */
    readonly progress?: string;
  };
  /**
   * Whether an answer is the service's verdict on a job, for a package that takes any trouble on the way for a failed job.
   * Without it, a failure that the package reads in an answer of 2xx is one.
   */
  isVerdict?(body: unknown): boolean;
  /** Puts an answer into the form that the package reads, where it chokes on documented ones. */
  repair?(body: unknown): unknown;
  readonly limits: AccountLimits;
}

/** `resolution` of the AI SDK: pixels. */
const pixels = (_resolution: VideoRequest['resolution'], { width, height }: VideoRequest): string =>
  `${width}x${height}`;

/** A package that the table does not know: what the AI SDK's own specification of a video model says, and cautious limits. */
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
    images: ['image', 'lastFrame', 'referenceImages'],
    reserved: COMMON_RESERVED,
    errors: [],
    limits: {
      inFlight: 10,
      startsPerMinute: 10,
      asksPerSecond: 5,
      askBatch: 1,
      minAskIntervalMs: 5000,
    },
  };
}

/** What decides the price, or makes a call wait, in any package. */
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
