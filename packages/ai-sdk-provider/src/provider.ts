import { NoSuchModelError, type ProviderV4 } from '@ai-sdk/provider';
import { Onetake } from '@onetake/client';
import { createVideoModel, type OnetakeVideoModel } from './model.ts';

export interface OnetakeProviderSettings {
  /** Where the gateway is, with or without `/v1` at its end. The variable `ONETAKE_URL` by default. */
  readonly baseURL?: string | undefined;
  /** The variable `ONETAKE_API_KEY` by default. */
  readonly apiKey?: string | undefined;
  /** Sent with every request to the gateway. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sends the requests instead of the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** How often a request is repeated after a failure. 5 by default. `maxRetries` of the AI SDK repeats none. */
  readonly maxRetries?: number | undefined;
}

export interface OnetakeProvider extends ProviderV4 {
  (modelId: string): OnetakeVideoModel;
  /** A model of the gateway, by its id in the catalogue. */
  video(modelId: string): OnetakeVideoModel;
  videoModel(modelId: string): OnetakeVideoModel;
}

/** A provider of the AI SDK with the models of a gateway. */
export function createOnetake(settings: OnetakeProviderSettings = {}): OnetakeProvider {
  const baseUrl = () => setting(settings.baseURL, 'baseURL', 'ONETAKE_URL');
  /** Made when a model is used, so that the variables are those of then. */
  const connect = (headers: Readonly<Record<string, string | undefined>> = {}): Onetake => {
    const origin = new URL(baseUrl()).origin;
    const more = Object.entries({ ...settings.headers, ...headers });
    const send = settings.fetch ?? ((input, init) => fetch(input, init));
    return new Onetake({
      baseUrl: baseUrl(),
      apiKey: setting(settings.apiKey, 'apiKey', 'ONETAKE_API_KEY'),
      maxRetries: settings.maxRetries,
      fetch(input, init) {
        const all = new Headers(init?.headers);
        // A video may be at another place, which must not see them.
        if (new URL(String(input)).origin === origin)
          for (const [name, value] of more) if (value !== undefined) all.set(name, value);
        return send(input, { ...init, headers: all });
      },
    });
  };
  const video = (modelId: string) => createVideoModel(modelId, { baseUrl, connect });
  const none = (modelType: 'languageModel' | 'embeddingModel' | 'imageModel') => (modelId: string) => {
    throw new NoSuchModelError({ modelId, modelType });
  };
  return Object.assign(video, {
    specificationVersion: 'v4' as const,
    video,
    videoModel: video,
    languageModel: none('languageModel'),
    embeddingModel: none('embeddingModel'),
    imageModel: none('imageModel'),
  });
}

function setting(given: string | undefined, name: string, variable: string): string {
  // Edge runtimes have no `process`.
  const value = given ?? globalThis.process?.env[variable];
  if (!value) throw new TypeError(`Set ${name} of createOnetake, or the variable ${variable}.`);
  return value;
}

/** The gateway that `ONETAKE_URL` and `ONETAKE_API_KEY` name. */
export const onetake: OnetakeProvider = createOnetake();
