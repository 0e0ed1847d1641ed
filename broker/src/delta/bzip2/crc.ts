/** The checksum of bzip2: CRC-32 with polynomial 0x04c11db7, most significant bit first, unlike that of zip and PNG. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte << 24;
  for (let bit = 0; bit < 8; bit++) rest = rest < 0 ? (rest << 1) ^ 0x04c11db7 : rest << 1;
  return rest >>> 0;
});

/** Value before the first byte. */
export const CRC_START = 0xffff_ffff;

/** One byte more. */
export function crcStep(crc: number, byte: number): number {
  return ((crc << 8) ^ TABLE[(crc >>> 24) ^ byte]!) >>> 0;
}

/** The checksum after the last byte. */
export function crcEnd(crc: number): number {
  return ~crc >>> 0;
}

/** The checksum of a stream, from those of its blocks in order. */
export function crcJoin(stream: number, block: number): number {
  return (((stream << 1) | (stream >>> 31)) ^ block) >>> 0;
}
