import type { ColourWord, Direction, Light } from '../prompt/direction.ts';
import { between, type Random } from '../random.ts';
import { type Colour, darken, hex, luma, mix } from './colour.ts';

/** The colours of a scene. */
export interface Palette {
  /** The sky from the zenith down to the horizon. */
  readonly sky: readonly [Colour, Colour, Colour];
  /** Sun or moon, and what they light. */
  readonly glow: Colour;
  /** The nearest silhouettes. Farther ones fade into `haze`. */
  readonly near: Colour;
  readonly haze: Colour;
  /** The only colour that stands out: a sail, a sign, a flower. */
  readonly accent: Colour;
}

const LIGHTS: Readonly<Record<Light, Palette>> = {
  dawn: paletteOf('#35508f', '#c98aa6', '#ffd7a1', '#fff0cf', '#1d2440', '#f0b7a0', '#ff9a76'),
  day: paletteOf('#1f6fc4', '#66aee6', '#d6ecf5', '#fffbe8', '#17343a', '#b9d8e6', '#ff7a4d'),
  dusk: paletteOf('#221f52', '#a8476f', '#ffab5e', '#ffdf9e', '#140f26', '#e0806a', '#ffb347'),
  night: paletteOf('#04071a', '#0b1637', '#27416f', '#e6efff', '#04060f', '#2a3f6b', '#5fd0ff'),
};

/** Clouds shift all colours towards these. */
const OVERCAST: Readonly<Record<Light, Colour>> = {
  dawn: hex('#8d8f9e'),
  day: hex('#8a97a3'),
  dusk: hex('#5b4c63'),
  night: hex('#101a2b'),
};

const COLOURS: Readonly<Record<ColourWord, Colour>> = {
  red: hex('#d8263c'),
  orange: hex('#ff8a2a'),
  gold: hex('#ffc940'),
  green: hex('#2fa866'),
  teal: hex('#1fb5ad'),
  blue: hex('#2b6fe0'),
  purple: hex('#8a4fe0'),
  pink: hex('#ff7fae'),
  grey: hex('#8b9096'),
};

/** How strongly a colour word in the prompt tints everything. */
const TINT = 0.26;
const SKY_TINT = 0.38;
const OVERCAST_PART = 0.55;
/** A storm is darker than rain. */
const STORM_SHADE = 0.34;

/** The palette of a direction. The seed shifts it a little, so that no two videos have quite the same sky. */
export function paletteFor(direction: Direction, random: Random): Palette {
  const [tint, accent] = direction.colours.map((word) => COLOURS[word]);
  const overcast = direction.weather === 'clear' ? 0 : direction.weather === 'snow' ? 0.3 : OVERCAST_PART;
  const warmth = between(random, -0.06, 0.06);
  const grade = (colour: Colour): Colour => {
    const shifted = { r: colour.r * (1 + warmth), g: colour.g, b: colour.b * (1 - warmth) };
    const clouded = darken(
      mix(shifted, OVERCAST[direction.light], overcast),
      direction.weather === 'storm' ? STORM_SHADE : 0,
    );
    return tint ? mix(clouded, matchLightness(tint, clouded), SKY_TINT) : clouded;
  };
  const { sky, glow, near, haze, accent: own } = LIGHTS[direction.light];
  return {
    sky: [grade(sky[0]), grade(sky[1]), grade(sky[2])],
    glow: tint ? mix(glow, tint, TINT / 2) : glow,
    near: tint ? mix(near, matchLightness(tint, near), TINT) : near,
    haze: grade(haze),
    accent: accent ?? tint ?? own,
  };
}

/** The hue of one colour with the lightness of another, so that a tint does not brighten a night. */
function matchLightness(colour: Colour, like: Colour): Colour {
  const wanted = luma(like);
  const own = luma(colour);
  if (own <= wanted) return mix(colour, { r: 255, g: 255, b: 255 }, (wanted - own) / Math.max(0.01, 1 - own));
  return mix(colour, { r: 0, g: 0, b: 0 }, 1 - wanted / own);
}

function paletteOf(
  zenith: string,
  middle: string,
  horizon: string,
  glow: string,
  near: string,
  haze: string,
  accent: string,
): Palette {
  return {
    sky: [hex(zenith), hex(middle), hex(horizon)],
    glow: hex(glow),
    near: hex(near),
    haze: hex(haze),
    accent: hex(accent),
  };
}
