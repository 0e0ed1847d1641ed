import { Refusal } from '../errors.ts';

/** UTF-8 both ways without a platform's TextEncoder. Lone surrogates cannot be encoded (RFC 3629 section 3). */
export function utf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0)!;
    if (point < 0x80) out.push(point);
    else if (point < 0x800) out.push(0xc0 | (point >> 6), continuation(point, 0));
    else if (point < 0x10000) {
      if (point >= 0xd800 && point < 0xe000) throw new TypeError('a lone surrogate has no UTF-8 form');
      out.push(0xe0 | (point >> 12), continuation(point, 6), continuation(point, 0));
    } else out.push(0xf0 | (point >> 18), continuation(point, 12), continuation(point, 6), continuation(point, 0));
  }
  return Uint8Array.from(out);
}

function continuation(point: number, shift: number): number {
  return 0x80 | ((point >> shift) & 0x3f);
}

/** Strict: overlong forms, surrogates and points past 10ffff are refused (MALFORMED). */
export function fromUtf8(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || at + length > bytes.length) throw malformed();
    let point = length === 1 ? first : first & (0xff >> (length + 1));
    for (let i = 1; i < length; i++) {
      if ((bytes[at + i]! & 0xc0) !== 0x80) throw malformed();
      point = (point << 6) | (bytes[at + i]! & 0x3f);
    }
    const shortest = length === 1 ? 0 : length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
    if (point < shortest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw malformed();
    text += String.fromCodePoint(point);
    at += length;
  }
  return text;
}

function malformed(): Refusal {
  return new Refusal('MALFORMED', 'a text is not UTF-8');
}
