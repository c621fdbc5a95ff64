import type { Account } from '../core/accounts.ts';
import { createRandom } from '../core/random.ts';
import { type Body, isObject, isUpload } from './body.ts';
import { onlyFields, textOf } from './checks.ts';
import type { OpenAiContext } from './context.ts';
import { refusals } from './errors.ts';

/** OpenAI's public API description, schema VideoCharacterResource. */
interface Character {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
}

/** The description: a name of at most 80 characters. The guide: at most two characters in a video. */
const LONGEST_NAME = 80;
const MOST_CHARACTERS = 2;

type Owned = Character & { readonly account: string };

/** Characters live as long as the upstream that made them. */
const byContext = new WeakMap<OpenAiContext, Map<string, Owned>>();

function charactersOf(context: OpenAiContext): Map<string, Owned> {
  const known = byContext.get(context) ?? new Map<string, Owned>();
  byContext.set(context, known);
  return known;
}

export function createCharacter(context: OpenAiContext, account: Account, body: Body): Character {
  onlyFields(body, ['name', 'video']);
  if (body.name === undefined) throw refusals.missing('name');
  if (!isUpload(body.video)) throw refusals.missing('video');
  const name = textOf(body, 'name', '');
  if (name.length > LONGEST_NAME) throw refusals.tooLong('name', LONGEST_NAME, name.length);
  const characters = charactersOf(context);
  const random = createRandom(`${context.shared.seed} character ${characters.size}`);
  const now = context.timeShown(context.shared.clock.now());
  const character = { id: `char_${random.hex(48)}`, name, created_at: Math.floor(now / 1000) };
  characters.set(character.id, { ...character, account: account.name });
  return character;
}

export function findCharacter(context: OpenAiContext, account: Account, id: string): Character {
  const found = charactersOf(context).get(id);
  if (!found || found.account !== account.name) throw refusals.characterNotFound(id);
  const { name, created_at } = found;
  return { id, name, created_at };
}

/** `characters: [{ id }]` of a create request. */
export function checkCharacters(context: OpenAiContext, account: Account, body: Body): void {
  const { characters } = body;
  if (characters === undefined) return;
  if (!Array.isArray(characters)) throw refusals.invalidType('characters', 'an array', typeof characters);
  if (characters.length > MOST_CHARACTERS) throw refusals.tooManyCharacters(MOST_CHARACTERS);
  for (const character of characters) {
    const id = isObject(character) ? character.id : undefined;
    if (typeof id !== 'string') throw refusals.missing('characters[].id');
    findCharacter(context, account, id);
  }
}
