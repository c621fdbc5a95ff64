import { invalidRequest } from '../../tasks/errors.ts';
import type { Given } from '../fields.ts';
import type { Model, ParameterSpec, ReferencesSpec } from '../model.ts';
import { list, shown } from '../words.ts';
import { checkLength, checkOwnVideo, checkUrl, isText } from './text.ts';

/** The duration that lets the upstream decide. */
export const AUTO_DURATION = -1 as const;

/** Converts a caller's value to its stored form. Throws a 400 that names the field, the value and what is allowed. */
export function checkParameter(
  model: Model,
  spec: Exclude<ParameterSpec, ReferencesSpec>,
  given: Given,
): unknown {
  switch (spec.kind) {
    case 'choice': {
      const { value } = given;
      // DashScope and its users write 720P.
      const wanted = typeof value === 'string' ? value.toLowerCase() : undefined;
      const found = spec.allowed.find((word) => word.toLowerCase() === wanted);
      return found ?? refuse(model, given, list(spec.allowed, 'or'));
    }
    case 'numbers': {
      const number = toNumber(given.value);
      if (number !== undefined && (spec.allowed.includes(number) || isAuto(spec, number))) return number;
      return refuse(model, given, list([...spec.allowed, ...autoOf(spec)], 'or'));
    }
    case 'range': {
      const number = toNumber(given.value);
      if (number !== undefined && isAuto(spec, number)) return number;
      if (number !== undefined && Number.isInteger(number) && number >= spec.min && number <= spec.max) {
        return number;
      }
      const words = [`whole numbers from ${spec.min} to ${spec.max}`, ...autoOf(spec)];
      return refuse(model, given, list(words, 'or'));
    }
    case 'flag': {
      const { name, value } = given;
      if (typeof value !== 'boolean') {
        throw invalidRequest(`${name} must be true or false, without quotes; got ${shown(value)}.`, name);
      }
      return spec.allowed.includes(value) ? value : refuse(model, given, `only ${list(spec.allowed, 'or')}`);
    }
    case 'text':
      return checkLength(given, spec.maxLength, model.id);
    case 'url':
      return spec.of === 'own' ? checkOwnVideo(given) : checkUrl(given);
    case 'image':
      return checkImage(given.name, given.value);
  }
}

/** `seed` has the same kind as `duration`, but -1 has no such meaning there. */
const isAuto = (spec: object, number: number): boolean => 'auto' in spec && number === AUTO_DURATION;
const autoOf = (spec: object): number[] => ('auto' in spec ? [AUTO_DURATION] : []);

function refuse(model: Model, { name, value }: Given, allowed: string): never {
  throw invalidRequest(
    `${name} ${shown(value)} is not possible with ${model.id}; allowed: ${allowed}.`,
    name,
  );
}

/** Numbers may be strings, because OpenAI's API uses `"seconds": "8"`. */
function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^-?\d{1,10}(\.0+)?$/.test(value) ? Number(value) : undefined;
}

/** Refuses only what cannot be an image. It is fetched and decoded later, through the guarded fetch. */
export function checkImage(name: string, value: unknown): string {
  if (!isText(value) || value.trim() === '') {
    throw invalidRequest(
      `${name} must be a URL, a data URL, the base64 of an image or the id of a file, as text.`,
      name,
    );
  }
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(value.slice(0, 64))?.[1]?.toLowerCase();
  if (scheme !== undefined && !['http', 'https', 'data'].includes(scheme)) {
    throw invalidRequest(`${name} must be an http(s) URL, a data URL or base64, not ${scheme}:.`, name);
  }
  return value;
}
