/** An sRGB colour. Each value is 0-255. */
export interface Colour {
  readonly r: number;
  readonly g: number;
  readonly b: number;
}

/** Reads `#rrggbb`. */
export function hex(text: string): Colour {
  const value = Number.parseInt(text.slice(1), 16);
  return { r: (value >> 16) & 255, g: (value >> 8) & 255, b: value & 255 };
}

/** The colour `part` (0-1) of the way from one to the other. */
export const mix = (from: Colour, to: Colour, part: number): Colour => ({
  r: from.r + (to.r - from.r) * part,
  g: from.g + (to.g - from.g) * part,
  b: from.b + (to.b - from.b) * part,
});

const BLACK: Colour = { r: 0, g: 0, b: 0 };
export const WHITE: Colour = { r: 255, g: 255, b: 255 };

export const darken = (colour: Colour, part: number): Colour => mix(colour, BLACK, part);
export const lighten = (colour: Colour, part: number): Colour => mix(colour, WHITE, part);

/** CSS for a colour at an opacity of 0-1. */
export const css = ({ r, g, b }: Colour, alpha = 1): string =>
  `rgba(${Math.round(r)},${Math.round(g)},${Math.round(b)},${alpha})`;

/** Perceived lightness, 0-1 (Rec. 709 weights). */
export const luma = ({ r, g, b }: Colour): number => (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
