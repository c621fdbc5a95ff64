import type { Experimental_VideoModelV4 as VideoModelV4 } from '@ai-sdk/provider';
import { z } from 'zod';

/** The resumable half of a video model of the AI SDK: it starts a job and reports its status. */
export type ResumableModel = Required<Pick<VideoModelV4, 'doStart' | 'doStatus'>>;

export type StartOptions = Parameters<ResumableModel['doStart']>[0];
export type StatusResult = Awaited<ReturnType<ResumableModel['doStatus']>>;
/** What `doStart` returns and `doStatus` takes: JSON whose content only the package knows. */
export type Operation = Parameters<ResumableModel['doStatus']>[0]['operation'];

export type Fetch = typeof globalThis.fetch;

/** A package, bound to an account. */
export interface LoadedPackage {
  readonly version: string;
  /** The model sends only through this `fetch`. */
  model(id: string, fetch: Fetch): ResumableModel;
}

const withMethods = (...names: readonly string[]) =>
  z.custom<Readonly<Record<string, unknown>>>(
    (value) =>
      (typeof value === 'object' || typeof value === 'function') &&
      value !== null &&
      names.every((name) => typeof Reflect.get(value, name) === 'function'),
  );

/** `provider.videoModel(id)` and `model.doStart` of the AI SDK's provider and video model, version 4. */
export const VideoProvider = withMethods('videoModel').transform(
  (provider) => provider as unknown as { videoModel(id: string): unknown },
);
export const Resumable = withMethods('doStart', 'doStatus').transform(
  (model) => model as unknown as ResumableModel,
);
