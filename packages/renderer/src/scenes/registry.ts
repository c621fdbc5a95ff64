import type { SceneKind } from '../prompt/direction.ts';
import { createAbstract } from './abstract.ts';
import { createCity } from './city/city.ts';
import { createDesert } from './desert.ts';
import { createCampfire } from './fire/campfire.ts';
import { createVolcano } from './fire/volcano.ts';
import { createMeadow } from './meadow.ts';
import { createMountains } from './mountains.ts';
import type { SceneMaker } from './scene.ts';
import { createSea } from './sea.ts';
import { createSnow } from './snow.ts';
import { createSpace } from './space/space.ts';
import { createUnderwater } from './underwater/underwater.ts';

/** A scene for each kind of place. To add one: its words in `prompt/lexicon.ts`, its sound in `sound/ambience.ts`, a file here and a line below. */
export const SCENES: Readonly<Record<SceneKind, SceneMaker>> = {
  mountains: createMountains,
  abstract: createAbstract,
  city: createCity,
  sea: createSea,
  desert: createDesert,
  space: createSpace,
  snow: createSnow,
  meadow: createMeadow,
  fire: (stage) =>
    stage.direction.subjects.includes('volcano') ? createVolcano(stage) : createCampfire(stage),
  underwater: createUnderwater,
};
