import {
  CAMERAS,
  COLOURS,
  type Lexicon,
  LIGHTS,
  LOOKS,
  PACES,
  SCENE_WORDS,
  SUBJECTS,
  WEATHERS,
} from './lexicon.ts';

export type SceneKind = keyof typeof SCENE_WORDS | 'abstract';
export type Light = keyof typeof LIGHTS;
export type Weather = keyof typeof WEATHERS | 'clear';
export type Subject = keyof typeof SUBJECTS;
export type ColourWord = keyof typeof COLOURS;
export type Look = keyof typeof LOOKS | 'natural';
export type CameraMove = keyof typeof CAMERAS;

/** What a prompt asks to see, in the renderer's own terms. */
export interface Direction {
  readonly scene: SceneKind;
  readonly light: Light;
  readonly weather: Weather;
  /** In the order in which the prompt names them. */
  readonly subjects: readonly Subject[];
  readonly colours: readonly ColourWord[];
  readonly look: Look;
  /** Absent if the prompt does not say. */
  readonly camera: CameraMove | undefined;
  /** 1 is natural speed. */
  readonly pace: number;
}

/** The light that suits a scene best, for prompts that name none. */
const USUAL_LIGHT: Readonly<Record<SceneKind, Light>> = {
  city: 'night',
  sea: 'dusk',
  mountains: 'dawn',
  desert: 'dusk',
  space: 'night',
  snow: 'dusk',
  meadow: 'day',
  fire: 'night',
  underwater: 'day',
  abstract: 'night',
};

/** Scenes that a subject implies, for prompts that name no place. */
const HOME_SCENE: Readonly<Partial<Record<Subject, SceneKind>>> = {
  boat: 'sea',
  lighthouse: 'sea',
  car: 'city',
  rocket: 'space',
  planet: 'space',
  fish: 'underwater',
  jellyfish: 'underwater',
  volcano: 'fire',
  whale: 'underwater',
  cat: 'meadow',
  dog: 'meadow',
  horse: 'meadow',
  birds: 'mountains',
  balloon: 'mountains',
  tree: 'meadow',
  house: 'meadow',
  person: 'meadow',
  moon: 'mountains',
  sun: 'sea',
};

/** Reads a prompt and an optional style in English or Chinese. Unknown words are ignored. */
export function interpretPrompt(prompt: string, style = ''): Direction {
  const text = normalise(`${prompt} ${style}`);
  const subjects = found(text, SUBJECTS);
  const weather = found(text, WEATHERS)[0] ?? 'clear';
  const scene = sceneOf(text, subjects, weather);
  const pace = found(text, PACES)[0];
  return {
    scene,
    light: found(text, LIGHTS)[0] ?? lightOf(scene, subjects, weather),
    weather,
    subjects,
    colours: found(text, COLOURS),
    look: found(text, LOOKS)[0] ?? 'natural',
    camera: found(text, CAMERAS)[0],
    pace: pace === undefined ? 1 : PACE_OF[pace],
  };
}

/** Multipliers of natural speed. */
const PACE_OF: Readonly<Record<keyof typeof PACES, number>> = { slow: 0.6, fast: 1.8 };

function sceneOf(text: string, subjects: readonly Subject[], weather: Weather): SceneKind {
  const places = found(text, SCENE_WORDS);
  const most = Math.max(0, ...places.map((scene) => mentions(text, SCENE_WORDS[scene])));
  const named = places.find((scene) => mentions(text, SCENE_WORDS[scene]) === most);
  if (named) return named;
  for (const subject of subjects) {
    const home = HOME_SCENE[subject];
    if (home) return home;
  }
  if (weather === 'clear') return 'abstract';
  return weather === 'snow' ? 'snow' : weather === 'rain' ? 'city' : 'mountains';
}

function lightOf(scene: SceneKind, subjects: readonly Subject[], weather: Weather): Light {
  if (subjects.includes('moon')) return 'night';
  if (weather !== 'clear' && USUAL_LIGHT[scene] === 'dusk') return scene === 'sea' ? 'day' : 'dusk';
  return USUAL_LIGHT[scene];
}

/** Lower case, one space between words and at both ends, so that ` word ` finds whole words. */
function normalise(prompt: string): string {
  return ` ${prompt
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}]+/gu, ' ')} `;
}

/** The entries of a lexicon that the text mentions, in the order of their first mention. */
function found<K extends string>(text: string, lexicon: Lexicon<K>): K[] {
  return (Object.keys(lexicon) as K[])
    .map((entry) => ({ entry, at: firstMention(text, lexicon[entry]) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)
    .map(({ entry }) => entry);
}

function firstMention(text: string, words: string): number {
  const places = words
    .split(', ')
    .map((word) => place(text, word))
    .filter((at) => at >= 0);
  return places.length === 0 ? -1 : Math.min(...places);
}

const mentions = (text: string, words: string): number =>
  words.split(', ').filter((word) => place(text, word) >= 0).length;

/** The position of a whole word or its plural. Chinese has no spaces, so its words match anywhere. */
function place(text: string, word: string): number {
  if (/\p{Script=Han}/u.test(word)) return text.indexOf(word);
  const forms = [word, `${word}s`, `${word}es`].map((form) => text.indexOf(` ${form} `));
  return forms.find((at) => at >= 0) ?? -1;
}
