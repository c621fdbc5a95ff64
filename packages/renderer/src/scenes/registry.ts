import type { Kind } from '../prompt/direction.ts';
import { createAbstract } from './abstract.ts';
import { createCity } from './city/city.ts';
import { createDesert } from './desert.ts';
import { createFire } from './fire/fire.ts';
import { createMeadow } from './meadow.ts';
import { createMountains } from './mountains.ts';
import type { SceneMaker } from './scene.ts';
import { createSea } from './sea.ts';
import { createSnow } from './snow.ts';
import { createSpace } from './space/space.ts';
import { createUnderwater } from './underwater/underwater.ts';

/** A scene for each kind of place. A new kind is its words in `lexicon.ts`, a file here and a line below. */
export const SCENES: Readonly<Record<Kind, SceneMaker>> = {
  mountains: createMountains,
  abstract: createAbstract,
  city: createCity,
  sea: createSea,
  desert: createDesert,
  space: createSpace,
  snow: createSnow,
  meadow: createMeadow,
  fire: createFire,
  underwater: createUnderwater,
};
