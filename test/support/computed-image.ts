/** A byte of an image of any size that nobody has to hold: Thumb code by its looks, literals among it. */
export function oldByte(offset: number): number {
  const word = Math.imul((offset >>> 2) + 1, 0x9e3779b1) >>> 0;
  // Every eighth word is a pointer into flash, so that targets are predicted.
  if (word >>> 29 === 0) return [word & 0xfc, (word >>> 8) & 0xff, 0, 8][offset & 3]!;
  return (word >>> (8 * (offset & 3))) & 0xff;
}

/** The release after it: a byte in a hundred has changed. */
export function newByte(offset: number): number {
  return offset % 97 === 5 ? (oldByte(offset) + 3) & 0xff : oldByte(offset);
}
