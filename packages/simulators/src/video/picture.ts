/** Frames a second. */
export const FPS = 24;

/** Planar 4:2:0: the planes Y, U and V, one after another. */
export function pictureAt(
  { width, height, hue }: { readonly width: number; readonly height: number; readonly hue: number },
  frame: number,
): Buffer {
  const chromaWidth = Math.ceil(width / 2);
  const chromaHeight = Math.ceil(height / 2);
  const luma = width * height;
  const chroma = chromaWidth * chromaHeight;
  const picture = Buffer.allocUnsafe(luma + 2 * chroma);
  // A bar crosses a gradient once a second, so that one second can be repeated without a jump.
  const bar = Math.round(((frame % FPS) / FPS) * width);
  const row = Buffer.allocUnsafe(width);
  for (let y = 0; y < height; y++) {
    row.fill(60 + Math.round((100 * y) / height));
    row.fill(220, bar, Math.min(width, bar + Math.ceil(width / 16)));
    row.copy(picture, y * width);
  }
  const angle = hue * 2 * Math.PI;
  picture.fill(128 + Math.round(60 * Math.cos(angle)), luma, luma + chroma);
  picture.fill(128 + Math.round(60 * Math.sin(angle)), luma + chroma);
  return picture;
}
