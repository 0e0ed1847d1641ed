/** Damaged containers for two decoders: both must come to the same end. */
import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import { CLASS_BYTES, DeltaDecoder, type MemoryClass, readHeader } from '@countersign/device-sdk/delta';
import { type CAnswer, type CCase, decodeInC } from './c-decoder.ts';
import { type Isa, programs } from './code.ts';
import { bench, edited, image } from './delta.ts';
import { Chance, mutate } from './mutate.ts';
import { codeOfRefusal } from './refused.ts';

export const CLASSES: readonly MemoryClass[] = ['S', 'M', 'L', 'XL', 'G'];
const ISAS: readonly Isa[] = ['thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr', 'xtensa-be'];
const CHECKPOINTS = { checkpointBytes: 4096 };
/** Few cases at a time: what a process writes is kept in memory. */
const BATCH = 200;

/** What the decoder of the SDK makes of a case. */
export function decodeInTypeScript(c: CCase): CAnswer {
  const limits = { newBytes: c.newBytes, oldBytes: c.old.length, slotBytes: c.slotBytes ?? 2 ** 30 };
  const { ports } = bench(c.container, c.old, { ...limits, ...(c.workspace ? { workspace: c.workspace } : {}) });
  const fresh = new Uint8Array(c.newBytes);
  const decoder = new DeltaDecoder({ ...ports, limits, sink: (offset, page) => fresh.set(page, offset) });
  const code = codeOfRefusal(() => {
    decoder.push(c.container);
    decoder.finalize();
  });
  return { code, image: code === 'accepted' ? fresh : new Uint8Array() };
}

/** The container and the image it makes, checked by the SDK's decoder, forward, in place or whole. */
export function caseOf(
  old: Uint8Array,
  fresh: Uint8Array,
  name: MemoryClass,
  how: 'delta' | 'in place' | 'full',
): CCase {
  const options = { class: name, inPlace: how === 'in place' };
  const { delta, info } = how === 'full' ? makeFull(fresh, { class: name }) : makeDelta(old, fresh, options);
  return { old: info.kind === 'full' ? new Uint8Array() : old, container: delta, newBytes: fresh.length };
}

/** Sound containers to damage: every instruction set in every class, forward and in place, and whole images. */
function soundCases(): CCase[] {
  const plain = { old: image(9000, 31), fresh: edited(image(9000, 31), 6) };
  const pairs = [...ISAS.map((isa, i) => programs(isa, 60, i + 3)), plain];
  const made = (old: Uint8Array, fresh: Uint8Array, options: Parameters<typeof makeDelta>[2]): CCase => ({
    old,
    container: makeDelta(old, fresh, { ...options, ...CHECKPOINTS }).delta,
    newBytes: fresh.length,
  });
  return [
    ...pairs.flatMap(({ old, fresh }) => CLASSES.map((name) => made(old, fresh, { class: name }))),
    ...pairs.flatMap(({ old, fresh }) => [
      made(old, fresh, { class: 'S', inPlace: true }),
      made(fresh, old, { class: 'L', inPlace: true }),
    ]),
    ...CLASSES.map((name) => ({
      old: new Uint8Array(),
      container: makeFull(plain.fresh, { class: name, ...CHECKPOINTS }).delta,
      newBytes: plain.fresh.length,
    })),
  ];
}

function damaged(c: CCase, all: readonly CCase[], chance: Chance): CCase {
  const piece = [0, 1, 3, 64, 1000][chance.below(5)]!;
  const workspace = chance.below(16) === 0 ? CLASS_BYTES.G : CLASS_BYTES.XL;
  const container = damagedBytes(c.container, all, chance);
  return { ...c, container, workspace, piece, newBytes: newBytesOf(container, c), slotBytes: 16_384 };
}

function damagedBytes(bytes: Uint8Array, all: readonly CCase[], chance: Chance): Uint8Array {
  if (bytes.length === 0) return bytes;
  const { headerBytes: header, modelBytes } = readHeader(bytes)!;
  const other = all[chance.below(all.length)]!.container;
  switch (chance.below(8)) {
    case 0:
      return Uint8Array.from([...bytes.subarray(0, header), ...other.subarray(chance.below(other.length))]);
    case 1:
      return bytes.with(chance.below(header), [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 0x7f, 0x80, 0xff][chance.below(13)]!);
    case 2: {
      // The stream alone is damaged, in one bit: this ends late, and often in an image.
      const at = header + chance.below(Math.max(1, bytes.length - header));
      return at < bytes.length ? bytes.with(at, bytes[at]! ^ (1 << chance.below(8))) : bytes;
    }
    case 3:
    case 4: {
      // A damaged model: other regions, shifts and addresses, which decoders must turn into the same wrong image.
      if (modelBytes === 0) return mutate(bytes, chance);
      const at = header + chance.below(modelBytes);
      const last = bytes[at]! < 0x80;
      return bytes.with(at, (chance.below(128) & (last ? 0x7f : 0xff)) | (last ? 0 : 0x80));
    }
    default:
      return mutate(bytes, chance);
  }
}

/** A damaged size would end in a refusal at once: mostly the size is the one that the container says. */
function newBytesOf(container: Uint8Array, c: CCase): number {
  try {
    return Math.min(readHeader(container)?.newBytes ?? c.newBytes, 20_000);
  } catch {
    return c.newBytes;
  }
}

export interface Agreement {
  endings: Record<string, number>;
  /** Cases in which the two decoders differ. */
  differing: string[];
}

/** Damages containers, and compares how both decoders end: the same code, and the same bytes of an image. */
export function compareDamaged(program: string, seed: number, count: number): Agreement {
  const chance = new Chance(seed);
  const all = soundCases();
  const endings: Record<string, number> = {};
  const differing: string[] = [];
  for (let done = 0; done < count; done += BATCH) {
    const cases = Array.from({ length: BATCH }, () => damaged(all[chance.below(all.length)]!, all, chance));
    const answers = decodeInC(program, cases);
    cases.forEach((c, i) => {
      const expected = decodeInTypeScript(c);
      const answer = answers[i]!;
      endings[expected.code] = (endings[expected.code] ?? 0) + 1;
      const same = answer.code === expected.code && Buffer.compare(answer.image, expected.image) === 0;
      if (!same) differing.push(describe(c, answer, expected));
    });
  }
  return { endings, differing };
}

function describe(c: CCase, inC: CAnswer, inTypeScript: CAnswer): string {
  const container = Buffer.from(c.container).toString('hex');
  return `C ${inC.code}, TypeScript ${inTypeScript.code}: ${container}`;
}
