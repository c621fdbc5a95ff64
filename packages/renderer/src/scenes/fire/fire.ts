import type { SceneMaker } from '../scene.ts';
import { createCampfire } from './campfire.ts';
import { createVolcano } from './volcano.ts';

/** A volcano where the prompt names one, a fire in a clearing otherwise. */
export const createFire: SceneMaker = (stage) =>
  stage.direction.subjects.includes('volcano') ? createVolcano(stage) : createCampfire(stage);
