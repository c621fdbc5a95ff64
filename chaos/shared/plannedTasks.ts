import type { Family } from './families.ts';
import { draw } from './random.ts';

/** A task to submit, and its expected end. */
export interface PlannedTask {
  readonly family: Family;
  readonly prompt: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The reason for its failure; undefined for success. */
  readonly ending: string | undefined;
}

/** One task in ten is planned to be refused or to fail. */
const BAD_SHARE = 0.1;

/** Follows the number in every other prompt: text that forms and lists tend to rewrite. */
const MORE_LINES = '\nwith two sails,\n\n\tat dawn: “près du café”';

/** `count` tasks over the families in turn, deterministic for a seed. */
export function planTasks(count: number, families: readonly Family[], seed: string): PlannedTask[] {
  return Array.from({ length: count }, (_, index) => {
    const family = families[index % families.length];
    if (!family) throw new Error('there are no families');
    const chance = draw(seed, index);
    const endings = Object.entries(family.endings);
    const bad = chance < BAD_SHARE ? endings[Math.floor((chance / BAD_SHARE) * endings.length)] : undefined;
    const lines = Math.floor(index / families.length) % 2 === 0 ? '' : MORE_LINES;
    const markers = [family.always, bad?.[0]].filter((marker) => marker !== undefined);
    const prompt = ['boat number', index, ...markers].join(' ') + lines;
    return { family, prompt, ending: bad?.[1], body: { model: family.model, prompt } };
  });
}
