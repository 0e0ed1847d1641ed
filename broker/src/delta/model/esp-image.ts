/** Segments of Espressif's boot images: where their parts are mapped. Source: esptool's documentation, firmware image format. */
import type { Region } from '@countersign/device-sdk/delta/model';

const MAGIC = 0xe9;
const SEGMENTS_MAX = 16;
/** The second image of an ESP8266 flash file, behind the boot loader. */
const SECOND_IMAGE = 0x1000;
/** What an ESP8266 maps of the flash, byte for byte. */
const ESP8266_FLASH = 0x40200000;
/** Instructions lie in this range on all chips so far. */
const CODE_START = 0x40000000;
const CODE_END = 0x50000000;

/** @returns undefined for a file that is no boot image of this header length, 8 (ESP8266) or 24 bytes */
export function espRegions(image: Uint8Array, headerBytes: 8 | 24): Region[] | undefined {
  const base = headerBytes === 8 ? ESP8266_FLASH : 0;
  const first = segments(image, 0, headerBytes);
  if (first === undefined) return undefined;
  const second = headerBytes === 8 ? segments(image, SECOND_IMAGE, headerBytes) : undefined;
  const regions = [region(0, base), ...first.regions, region(first.end, base + first.end)];
  if (second !== undefined && second.regions[0]!.offset > first.end) {
    regions.push(...second.regions, region(second.end, base + second.end));
  }
  return regions.filter(({ offset }) => offset < image.length);
}

function segments(image: Uint8Array, at: number, headerBytes: number): { regions: Region[]; end: number } | undefined {
  const count = image[at + 1] ?? 0;
  if (image[at] !== MAGIC || count === 0 || count > SEGMENTS_MAX) return undefined;
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const regions: Region[] = [];
  let offset = at + headerBytes;
  for (let i = 0; i < count; i++) {
    if (offset + 8 > image.length) return undefined;
    const address = view.getUint32(offset, true);
    const bytes = view.getUint32(offset + 4, true);
    offset += 8;
    if (bytes === 0 || bytes > image.length - offset) return undefined;
    regions.push(region(offset, address));
    offset += bytes;
  }
  return { regions, end: offset };
}

function region(offset: number, address: number): Region {
  return { offset, address: address >>> 0, code: address >= CODE_START && address < CODE_END };
}
