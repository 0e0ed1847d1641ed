/** Numbers of the bzip2 format that reader and writer share. */

/** Pi and its square root in decimal digits announce a block and the end. */
export const BLOCK_MAGIC: readonly [number, number] = [0x314159, 0x265359];
export const END_MAGIC: readonly [number, number] = [0x177245, 0x385090];
/** Times the level, 1 to 9. */
export const BLOCK_UNIT_BYTES = 100_000;
/** Symbols that share one choice of a table. */
export const GROUP_SYMBOLS = 50;
export const TABLES_MIN = 2;
export const TABLES_MAX = 6;
/** Longest prefix code that a reader takes. */
export const CODE_BITS_MAX = 20;
/** Bijective base 2 digits of a run's length. */
export const RUN_A = 0;
export const RUN_B = 1;
/** Equal bytes after which a byte counts the further ones. */
export const REPEAT_BYTES = 4;
