/** Width and height in pixels, such as `1280x720`. Both are even, as 4:2:0 video requires. */
export type Size = `${number}x${number}`;

export function isSize(text: unknown): text is Size {
  const match = typeof text === 'string' ? /^([1-9]\d{1,4})x([1-9]\d{1,4})$/.exec(text) : null;
  return match !== null && Number(match[1]) % 2 === 0 && Number(match[2]) % 2 === 0;
}
