import type { ReferenceType } from '../tasks/request.ts';
import type { ReferenceKindSpec, ReferencesSpec } from './model.ts';
import { list } from './words.ts';

/** What tells the kinds of references apart. */
export interface KindOf {
  readonly type: ReferenceType;
  readonly role?: string | undefined;
}

/** The kind of a model to which a reference belongs; undefined if the model takes none of it. */
export const kindOf = (
  spec: ReferencesSpec | undefined,
  { type, role }: KindOf,
): ReferenceKindSpec | undefined => spec?.takes.find((kind) => kind.type === type && kind.role === role);

const NOUNS: Readonly<Record<ReferenceType, readonly [one: string, many: string]>> = {
  image: ['image', 'images'],
  video: ['video', 'videos'],
  audio: ['audio file', 'audio files'],
};

/** `video`, `audio files`: so many of a type. */
const noun = (type: ReferenceType, count: number): string => NOUNS[type][count === 1 ? 0 : 1];

/** `video`, `audio file with role driving_audio`. */
export const kindText = ({ type, role }: KindOf, count = 1): string =>
  `${noun(type, count)}${role === undefined ? '' : ` with role ${role}`}`;

/** What a model takes, for errors: `up to 9 images, 3 videos and 1 audio file with role driving_audio`. */
export const takesText = ({ takes, max }: ReferencesSpec): string =>
  `up to ${list(
    takes.map((kind) => `${kind.max} ${kindText(kind, kind.max)}`),
    'and',
  )}${max === undefined ? '' : `, ${max} together`}`;

/** The limits of a kind, for the documentation: `mp4 or mov, 2 to 15 s, 15 s together, up to 200 MB`. Empty if there are none. */
export function limitsText({ limits = {}, with: beside }: ReferenceKindSpec): string {
  const { formats, maxBytes, totalSeconds, transparency, by } = limits;
  const parts = [
    formats && list(formats, 'or'),
    span(limits.minSeconds, limits.maxSeconds, ' s'),
    totalSeconds === undefined ? undefined : `${totalSeconds} s together`,
    span(limits.minSide, limits.maxSide, ' pixels a side'),
    span(limits.minPixels, limits.maxPixels, ' pixels'),
    span(limits.minRatio, limits.maxRatio, ' times as wide as high'),
    span(limits.minFps, limits.maxFps, ' frames a second'),
    maxBytes === undefined ? undefined : `up to ${megabytes(maxBytes)}`,
    transparency === false ? 'no transparency' : undefined,
    by === 'url' ? 'only by a public link' : undefined,
    beside &&
      `only beside ${list(
        beside.map((type) => NOUNS[type][1]),
        'or',
      )}`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

export const megabytes = (bytes: number): string => `${Math.floor(bytes / 100_000) / 10} MB`;

/** `2 to 15 s`, `at most 15 s`. Undefined without limits. */
export function span(min: number | undefined, max: number | undefined, unit: string): string | undefined {
  if (min === undefined) return max === undefined ? undefined : `at most ${max}${unit}`;
  return max === undefined ? `at least ${min}${unit}` : `${min} to ${max}${unit}`;
}
