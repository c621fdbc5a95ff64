import { invalidRequest } from '../tasks/errors.ts';

/** The pattern of names of keys and projects. */
export const NAME_PATTERN = '^[\\p{L}\\p{N}][\\p{L}\\p{N} ._-]{0,63}$';
const NAME = new RegExp(NAME_PATTERN, 'u');

/** Throws a 400 for a name that a key or a project cannot have. */
export function checkName(name: string, param: string): void {
  if (!NAME.test(name)) {
    throw invalidRequest(
      `${param} must be 1 to 64 letters, digits, spaces, dots, dashes or underscores, beginning with a letter or digit.`,
      param,
    );
  }
}
