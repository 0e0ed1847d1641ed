/** Images that look like programs: functions that call each other and point at data, linked twice with changes. */
import { Chance } from './mutate.ts';

export type Isa = 'thumb' | 'riscv' | 'xtensa' | 'arm' | 'aarch64' | 'avr' | 'xtensa-be';

interface Site {
  at: number;
  kind: 'call' | 'pointer' | 'variable';
  to: number;
}

interface Part {
  bytes: number[];
  sites: Site[];
}

const BASE: Record<Isa, number> = {
  thumb: 0x0800_0000,
  riscv: 0x4200_0000,
  xtensa: 0x4020_0000,
  arm: 0x8000_8000,
  aarch64: 0x4008_0000,
  avr: 0,
  'xtensa-be': 0x0090_0000,
};
const RAM = 0x2000_0000;

/** Two releases of one program: in the second one function in `every` has grown, and some variables have moved. */
export function programs(
  isa: Isa,
  functions: number,
  seed: number,
  every = 17,
): { old: Uint8Array; fresh: Uint8Array } {
  const chance = new Chance(seed);
  const parts = Array.from({ length: functions }, () => part(isa, functions, chance));
  const grown = parts.map((each, i) =>
    i % every === Math.min(5, every - 1) ? { ...each, bytes: [...each.bytes, ...plain(isa, 4, chance)] } : each,
  );
  return { old: link(isa, parts, 0), fresh: link(isa, grown, 8) };
}

function part(isa: Isa, functions: number, chance: Chance): Part {
  const bytes: number[] = [];
  const sites: Site[] = [];
  const pieces = 3 + chance.below(10);
  for (let i = 0; i < pieces; i++) {
    bytes.push(...plain(isa, 1 + chance.below(5), chance));
    sites.push({ at: bytes.length, kind: 'call', to: chance.below(functions) });
    bytes.push(...new Array<number>(isa.startsWith('xtensa') ? 3 : 4).fill(0));
  }
  while (bytes.length % 4 !== 0) bytes.push(0);
  for (let i = 0; i < (isa === 'avr' ? 0 : 3); i++) {
    const kind = i < 2 ? 'pointer' : 'variable';
    sites.push({ at: bytes.length, kind, to: kind === 'pointer' ? chance.below(functions) : 4 * chance.below(300) });
    bytes.push(0, 0, 0, 0);
  }
  return { bytes, sites };
}

/** The fields of most Xtensa instructions are half bytes: in the other byte order their halves change places. */
function mirrored(byte: number): number {
  return ((byte & 15) << 4) | (byte >> 4);
}

/** Instructions without a target. */
function plain(isa: Isa, count: number, chance: Chance): number[] {
  const one = (): number[] => {
    if (isa === 'arm' || isa === 'aarch64') return [chance.below(256), chance.below(16), 0x80 + chance.below(2), 0xe0];
    if (isa === 'avr') return [chance.below(256), 0x2c + chance.below(4)];
    if (isa === 'thumb') return [chance.below(256), 0x18 + chance.below(8)];
    if (isa === 'riscv') return [(chance.below(64) << 2) | 1, 0x80 + chance.below(16)];
    if (isa === 'xtensa-be') return [2 + 16 * chance.below(3), chance.below(256), 0x20].map(mirrored);
    return [0x20 + 16 * chance.below(3), chance.below(256), 0x20];
  };
  return Array.from({ length: count }, one).flat();
}

function link(isa: Isa, parts: readonly Part[], ramShift: number): Uint8Array {
  const starts: number[] = [];
  let end = 0;
  for (const { bytes } of parts) {
    starts.push(end);
    end += (bytes.length + 3) & ~3;
  }
  const image = new Uint8Array(end);
  const view = new DataView(image.buffer);
  const little = isa !== 'xtensa-be';
  for (const [i, { bytes, sites }] of parts.entries()) {
    image.set(bytes, starts[i]!);
    for (const { at, kind, to } of sites) {
      const place = starts[i]! + at;
      if (kind === 'pointer') view.setUint32(place, BASE[isa] + starts[to]!, little);
      else if (kind === 'variable') view.setUint32(place, RAM + to + (to > 400 ? ramShift : 0), little);
      else call(isa, view, place, starts[to]!);
    }
  }
  return image;
}

function call(isa: Isa, view: DataView, from: number, to: number): void {
  if (isa === 'thumb') {
    const steps = (to - from - 4) >> 1;
    const sign = steps < 0 ? 1 : 0;
    const j1 = 1 ^ ((steps >> 22) & 1) ^ sign;
    const j2 = 1 ^ ((steps >> 21) & 1) ^ sign;
    view.setUint16(from, 0xf000 | (sign << 10) | ((steps >> 11) & 0x3ff), true);
    view.setUint16(from + 2, 0xd000 | (j1 << 13) | (j2 << 11) | (steps & 0x7ff), true);
  } else if (isa === 'arm') view.setUint32(from, 0xeb000000 | (((to - from - 8) >> 2) & 0xffffff), true);
  else if (isa === 'aarch64') view.setUint32(from, 0x94000000 | (((to - from) >> 2) & 0x3ffffff), true);
  else if (isa === 'avr') {
    view.setUint16(from, 0x940e, true);
    view.setUint16(from + 2, to >> 1, true);
  } else if (isa === 'riscv') {
    const d = to - from;
    const low = (((d >> 1) & 0x3ff) << 21) | (((d >> 11) & 1) << 20) | (d & 0xff000);
    view.setUint32(from, 0xef | low | (((d >> 20) & 1) << 31), true);
  } else if (isa === 'xtensa-be') {
    const steps = (to - (from & ~3) - 4) >> 2;
    view.setUint8(from, 0x50 | ((steps >> 16) & 3));
    view.setUint16(from + 1, steps & 0xffff);
  } else {
    const steps = (to - (from & ~3) - 4) >> 2;
    view.setUint16(from, 5 | ((steps & 0x3ff) << 6), true);
    view.setUint8(from + 2, (steps >> 10) & 0xff);
  }
}
