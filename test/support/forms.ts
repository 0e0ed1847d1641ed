/**
 * Images that hold every form of instruction a predictor knows, linked twice: the bytes of the instructions are those of
 * test/vectors/delta/instructions.json, an assembler's. Functions grow and move the others; in Espressif
 * images functions and pointers lie in segments.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cpu, cpuOf, PREDICTOR_NAMES, REGISTER_WORDS, type Unit } from '@countersign/device-sdk/delta/model';
import type { InstructionVector } from '../vectors/make-instructions.ts';
import { Chance } from './mutate.ts';
import { repository } from './repository.ts';

interface Use {
  at: number;
  bytes: Uint8Array;
  /** What it points at: a function, or a variable. */
  to: number;
  isData: boolean;
}

interface Part {
  bytes: Uint8Array;
  uses: Use[];
}

export interface FormsOptions {
  cpu: string;
  functions: number;
  seed: number;
  base: number;
}

/** AVR has its variables where its tools put them; the others use a usual place. */
const variables = (cpu: string): number => (cpu === 'avr' ? 0x80_0200 : 0x2000_0000);

export function formsProgram(o: FormsOptions): { old: Uint8Array; fresh: Uint8Array } {
  const chance = new Chance(o.seed);
  const templates = vectorsOf(o.cpu);
  const parts = Array.from({ length: o.functions }, () => part(templates, o.functions, chance));
  const grown = parts.map((each, i) => (i % 13 === 4 ? { ...each, bytes: padded(each.bytes, chance) } : each));
  return { old: link(o, parts, 0), fresh: link(o, grown, 8) };
}

/** The same image as an Espressif boot image: the pointers at its end as data, its functions as code. */
export function espImage(
  image: Uint8Array,
  headerBytes: 8 | 24,
  data: { bytes: number; address: number },
  codeAddress: number,
): Uint8Array {
  const cut = image.length - data.bytes;
  const header = new Uint8Array(headerBytes);
  header.set([0xe9, 2, 2, 0x20]);
  const segments = [
    [data.address, image.subarray(cut)],
    [codeAddress, image.subarray(0, cut)],
  ] as const;
  const pieces = segments.flatMap(([address, bytes]) => {
    const front = new DataView(new ArrayBuffer(8));
    front.setUint32(0, address, true);
    front.setUint32(4, bytes.length, true);
    return [new Uint8Array(front.buffer), bytes];
  });
  return new Uint8Array(Buffer.concat([header, ...pieces]));
}

function vectorsOf(cpu: string): InstructionVector[] {
  const path = join(repository, 'test/vectors/delta/instructions.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as InstructionVector[]).filter((vector) => vector.cpu === cpu);
}

function part(templates: readonly InstructionVector[], functions: number, chance: Chance): Part {
  const pieces: Uint8Array[] = [];
  const uses: Use[] = [];
  let at = 0;
  for (let i = 0; i < 8 + chance.below(12); i++) {
    const { before, units } = templates[chance.below(templates.length)]!;
    const bytes = new Uint8Array(Buffer.from(before.bytes, 'hex'));
    const isData = units.some(([kind]) => kind === 7);
    uses.push({ at, bytes, to: isData ? 4 * chance.below(200) : chance.below(functions), isData });
    pieces.push(bytes);
    at += bytes.length;
  }
  return { bytes: new Uint8Array(Buffer.concat(pieces)), uses };
}

function padded(bytes: Uint8Array, chance: Chance): Uint8Array {
  const more = Uint8Array.from({ length: 4 + 4 * chance.below(4) }, () => chance.below(64) * 2);
  return new Uint8Array(Buffer.concat([bytes, more]));
}

function link(o: FormsOptions, parts: readonly Part[], shift: number): Uint8Array {
  const starts: number[] = [];
  let end = 0;
  for (const { bytes } of parts) {
    starts.push(end);
    end += (bytes.length + 3) & ~3;
  }
  const pointers = end;
  const image = new Uint8Array(end + 4 * parts.length);
  const view = new DataView(image.buffer);
  for (const [i, { bytes, uses }] of parts.entries()) {
    image.set(bytes, starts[i]!);
    view.setUint32(pointers + 4 * i, o.base + starts[(i * 7) % parts.length]!, o.cpu !== 'xtensa-be');
    for (const { at, bytes: instructions, to, isData } of uses) {
      const data = variables(o.cpu) + to + (to > 400 ? shift : 0);
      const place = starts[i]! + at;
      const into = image.subarray(place, place + instructions.length);
      point(o.cpu, instructions, into, o.base + place, isData ? data : o.base + starts[to]!);
    }
  }
  return image;
}

/** Lets all units point at the target; one that is out of reach stays as it is. */
function point(cpuName: string, before: Uint8Array, into: Uint8Array, address: number, target: number): void {
  const cpu: Cpu = cpuOf((PREDICTOR_NAMES as readonly string[]).indexOf(cpuName), new Uint32Array(REGISTER_WORDS));
  const unit: Unit = { size: 1, kind: 0, form: 0, target: 0 };
  for (let at = 0; at < before.length; at += unit.size) {
    cpu.look({ byte: (offset) => before[offset] ?? 0 }, at, address + at, unit);
    if (unit.kind !== 0) cpu.retarget(into.subarray(at, at + unit.size), unit.form, address + at, target);
  }
}
