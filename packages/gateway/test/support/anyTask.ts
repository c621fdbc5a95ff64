import fc from 'fast-check';
import { newId, newTaskId } from '../../src/tasks/ids.ts';
import { REASONS, type Reason, taskError } from '../../src/tasks/reasons.ts';
import { ASPECT_RATIOS, type InputRef, RESOLUTIONS, type Reference } from '../../src/tasks/request.ts';
import {
  type Attempt,
  CONTENT_CREDENTIALS,
  PHASES,
  type Task,
  type TaskResult,
} from '../../src/tasks/task.ts';
import { START_OF_TIME } from './builders.ts';

const time = fc.integer({ min: START_OF_TIME, max: START_OF_TIME + 10 ** 9 });
const micros = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const text = fc.string({ unit: 'grapheme', maxLength: 60 });
const side = fc.integer({ min: 2, max: 4096 });
const seconds = fc.double({ min: 0, max: 60, noNaN: true });
const hex32 = fc.noShrink(fc.constant(null).map(newId));

/** A record in which every property of `optional` may be missing. */
const partly = <T extends object, U extends object>(
  required: { [K in keyof T]: fc.Arbitrary<T[K]> },
  optional: { [K in keyof U]: fc.Arbitrary<U[K]> },
): fc.Arbitrary<T & Partial<U>> =>
  fc
    .tuple(fc.record(required), fc.record(optional, { requiredKeys: [] }))
    // Spread, because generated records may lack a prototype, which real ones have.
    .map(([always, sometimes]) => ({ ...always, ...sometimes }) as T & Partial<U>);

type OptionalKeys<T> = { [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never }[keyof T];

/** A record with every property of `T`; those that `T` may lack may be missing. A new property needs a generator to compile. */
const wholly = <T extends object>(
  required: { [K in Exclude<keyof T, OptionalKeys<T>>]: fc.Arbitrary<T[K]> },
  optional: { [K in OptionalKeys<T>]-?: fc.Arbitrary<NonNullable<T[K]>> },
): fc.Arbitrary<T> => partly<object, object>(required, optional) as fc.Arbitrary<T>;

const withClip = ([input, duration, fps]: [InputRef, number, number]) => ({ ...input, duration, fps });

const inputRef = partly(
  { mediaId: hex32, contentType: fc.constant('image/png'), bytes: micros, width: side, height: side },
  { sourceUrl: fc.webUrl() },
);

const reference: fc.Arbitrary<Reference> = fc.oneof(
  partly({ type: fc.constant('image' as const), input: inputRef }, { role: text }),
  partly(
    { type: fc.constant('video' as const), input: fc.tuple(inputRef, seconds, side).map(withClip) },
    { role: text },
  ),
  partly(
    { type: fc.constant('audio' as const), input: fc.tuple(inputRef, seconds, side).map(withClip) },
    { role: text },
  ),
);

const request = partly(
  {
    model: fc.constantFrom('model-a', 'model-b'),
    prompt: text,
    duration: fc.integer({ min: 1, max: 60 }),
    resolution: fc.constantFrom(...RESOLUTIONS),
    aspectRatio: fc.constantFrom(...ASPECT_RATIOS),
    width: side,
    height: side,
  },
  {
    negativePrompt: text,
    image: inputRef,
    lastFrame: inputRef,
    references: fc.array(reference, { maxLength: 3 }),
    videoUrl: fc.webUrl(),
    generateAudio: fc.boolean(),
    seed: fc.nat(),
    style: text,
    cameraFixed: fc.boolean(),
    watermark: fc.boolean(),
    promptExtend: fc.boolean(),
    personGeneration: text,
    metadata: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
    providerOptions: fc.dictionary(text, fc.oneof(text, fc.integer(), fc.boolean()), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  },
);

const upstreamResult = partly(
  { ref: text },
  {
    id: text,
    expiresAt: time,
    duration: seconds,
    usage: partly({}, { tokens: micros, inputSeconds: seconds }),
  },
);

const attempt = wholly<Attempt>(
  {
    number: fc.integer({ min: 1, max: 50 }),
    accountId: text,
    idempotencyKey: hex32,
    upstreamModel: text,
    intendedAt: time,
  },
  {
    server: text,
    findVersion: hex32,
    intendedThereAt: time,
    upstreamId: text,
    submittedAt: time,
    endedAt: time,
    outcome: fc.constantFrom<NonNullable<Attempt['outcome']>>('refused', 'unknown', 'succeeded', 'expired'),
    detail: text.filter((words) => words.length > 0),
    upstreamResult,
    placeUntil: time,
  },
);

const result = wholly<TaskResult>(
  {
    videoId: hex32,
    bytes: micros,
    sha256: hex32,
    duration: seconds,
    width: side,
    height: side,
    videoCodec: text,
    expiresAt: time,
    costMicros: micros,
  },
  { posterId: hex32, audioCodec: text, contentCredentials: fc.constantFrom(...CONTENT_CREDENTIALS) },
);

const price: fc.Arbitrary<Task['price']> = fc.record(
  { currency: fc.constantFrom('USD', 'CNY'), microsPerSecond: micros, holdMicros: micros },
  { noNullPrototype: true },
);

const error = fc
  .tuple(fc.constantFrom(...(Object.keys(REASONS) as Reason[])), text)
  .map(([reason, message]) => taskError(reason, message));

/** Any task with any properties, whether or not the engine would create it. */
export const anyTask = wholly<Task>(
  {
    id: fc.noShrink(fc.constant(null).map(newTaskId)),
    projectId: text,
    keyId: text,
    request,
    phase: fc.constantFrom(...PHASES),
    version: fc.integer({ min: 1, max: 100 }),
    owner: text,
    createdAt: time,
    deadlineAt: time,
    price,
  },
  {
    startedAt: time,
    completedAt: time,
    cancelRequestedAt: time,
    attempt,
    result,
    error,
    deletedAt: time,
  },
);
