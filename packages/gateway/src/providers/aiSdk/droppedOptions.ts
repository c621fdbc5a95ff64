import { Readable } from 'node:stream';
import type { Job } from '../provider.ts';
import type { PackageRow } from './packageRow.ts';
import { callOptions } from './request.ts';
import type { LoadedPackage, StartOptions } from './videoModel.ts';

/** Ends a start in place of its request. */
const NOT_SENT = new Error('only a rehearsal');

/**
 * The members of `provider_options` that a package would drop: without them it sends the same request. Packages pick the options that they
 * know and say nothing of the others. Nothing is sent, and no image is read.
 */
export async function droppedOptions(
  row: PackageRow,
  loaded: LoadedPackage,
  request: Job['request'],
  modelId: string,
): Promise<string[]> {
  const options = await callOptions(row, { request, openInput: async () => Readable.from([Buffer.of(0)]) });
  const own = options.providerOptions[row.optionsName] ?? {};
  const whole = await rehearsed(loaded, modelId, options);
  const dropped: string[] = [];
  for (const name of Object.keys(request.providerOptions ?? {})) {
    const { [name]: _, ...others } = own;
    const without = { ...options, providerOptions: { [row.optionsName]: others } };
    if (whole !== undefined && whole === (await rehearsed(loaded, modelId, without))) dropped.push(name);
  }
  return dropped;
}

/** Whether a package would drop a reference. Some take references for some of their models only, and send the others nothing. */
export async function dropsReferences(
  row: PackageRow,
  loaded: LoadedPackage,
  request: Job['request'],
  modelId: string,
): Promise<boolean> {
  const options = await callOptions(row, { request, openInput: async () => Readable.from([Buffer.of(0)]) });
  const { inputReferences = [] } = options;
  const whole = await rehearsed(loaded, modelId, options);
  for (const one of inputReferences) {
    const without = { ...options, inputReferences: inputReferences.filter((other) => other !== one) };
    if (whole !== undefined && whole === (await rehearsed(loaded, modelId, without))) return true;
  }
  return false;
}

/** The request that a package would send; undefined if it refuses the options itself. */
async function rehearsed(
  loaded: LoadedPackage,
  modelId: string,
  options: StartOptions,
): Promise<string | undefined> {
  let sent: string | undefined;
  const model = loaded.model(modelId, async (input, init) => {
    const request = new Request(input, init);
    sent = `${request.url} ${await request.text()}`;
    throw NOT_SENT;
  });
  await Promise.try(() => model.doStart(options)).catch(() => undefined);
  return sent;
}
