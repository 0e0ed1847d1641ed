import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import { CLASS_BYTES, DeltaDecoder, inspectDelta, type MemoryClass, readHeader } from '@countersign/device-sdk/delta';
import { type Isa, programs } from '../support/code.ts';
import { bench, byHand, copyFrom, edited, fill, image, insert, text, token } from '../support/delta.ts';
import { Chance, mutate } from '../support/mutate.ts';
import { codeOfRefusal } from '../support/refused.ts';

/** A sound container, the image it is for and the image it makes. */
interface Seed {
  old: Uint8Array;
  fresh: Uint8Array;
  container: Uint8Array;
}

const old = image(9000, 31);
const fresh = edited(old, 6);
const texts = { old: text(4096, 1), fresh: text(3000, 2) };
const part = fresh.slice(0, 700);
const CHECKPOINTS = { checkpointBytes: 4096 };

/** Every predictor with one class or two, every class with and without one; by hand what no encoder would write. */
const PREDICTED: readonly (readonly [isa: Isa, name: MemoryClass])[] = [
  ['thumb', 'S'],
  ['thumb', 'G'],
  ['riscv', 'M'],
  ['xtensa', 'L'],
  ['arm', 'L'],
  ['aarch64', 'XL'],
  ['avr', 'M'],
  ['avr', 'S'],
  ['xtensa-be', 'S'],
];
const stream = [...copyFrom(300, 1000), ...token(100, 1, 2, 3), ...token(197), ...fill(400, 9)];
const seeds: Seed[] = [
  ...PREDICTED.map(([isa, name], i) => predicted(isa, name, i)),
  ...(['S', 'M', 'XL', 'G'] as const).map((name) => made(old, fresh, name)),
  ...(['S', 'L', 'XL', 'G'] as const).flatMap((name) => [inPlace(fresh, old, name), inPlace(old, fresh, name)]),
  ...[0, 12].map((oldBits) => learning(oldBits)),
  { old, fresh: part, container: makeDelta(old, part, { class: 'M' }).delta },
  { old, fresh, container: makeFull(fresh, { class: 'S', ...CHECKPOINTS }).delta },
  { old, fresh, container: makeFull(fresh, { class: 'XL', ...CHECKPOINTS }).delta },
  { old, fresh: part, container: byHand(old, part, {}, stream) },
  { old, fresh: part, container: byHand(old, part, { full: true }, insert(...part)) },
];

function predicted(isa: Isa, name: MemoryClass, seed: number): Seed {
  const pair = programs(isa, 60, seed + 3);
  return made(pair.old, pair.fresh, name);
}

function made(base: Uint8Array, target: Uint8Array, name: MemoryClass): Seed {
  return { old: base, fresh: target, container: makeDelta(base, target, { class: name, ...CHECKPOINTS }).delta };
}

function inPlace(base: Uint8Array, target: Uint8Array, name: MemoryClass): Seed {
  const { delta } = makeDelta(base, target, { class: name, inPlace: true, ...CHECKPOINTS });
  return { old: base, fresh: target, container: delta };
}

/** Class G in one block, with so many old bytes to learn from: all but the encoder's own number end in another image. */
function learning(oldBits: number): Seed {
  const { delta } = makeDelta(texts.old, texts.fresh, { class: 'G', checkpointBytes: 0 });
  if (delta[9] !== 12) throw new Error(`${delta[9]} old bits`);
  return { ...texts, container: delta.with(9, oldBits) };
}

/** A slot a little larger than the images: a damaged size may ask for all of it. */
const SLOT_BYTES = 16_384;

/** What a run found: how many containers, and how they ended. */
export type Endings = Record<string, number>;

/** What a damaged container may end in. */
export const EXPECTED = ['same image', 'wrong digest', 'BAD_DELTA', 'UNSUPPORTED', 'NO_SPACE', 'NO_MEMORY'];

/**
 * Damages containers until the time or the count is over. Every one must end in an image inside the slot or a Refusal,
 * with no more reads than its sizes allow; the ports throw a RangeError for anything else, which ends the run.
 */
export function fuzz(seed: number, until: { milliseconds?: number; count?: number }): Endings {
  const chance = new Chance(seed);
  const endings: Endings = {};
  const end = performance.now() + (until.milliseconds ?? Number.POSITIVE_INFINITY);
  for (let i = 0; i < (until.count ?? Number.POSITIVE_INFINITY) && performance.now() < end; i++) {
    const from = seeds[chance.below(seeds.length)]!;
    const ending = run(damaged(from.container, chance), from, chance);
    endings[ending] = (endings[ending] ?? 0) + 1;
  }
  return endings;
}

function damaged(container: Uint8Array, chance: Chance): Uint8Array {
  switch (chance.below(8)) {
    case 0:
      return noise(container, chance);
    case 1:
      return spliced(container, chance);
    case 2:
    case 3:
      return fieldChanged(container, chance);
    default:
      return mutate(container, chance);
  }
}

/** Random bytes behind a good header, or behind nothing. */
function noise(container: Uint8Array, chance: Chance): Uint8Array {
  const random = Array.from({ length: chance.below(300) }, () => chance.below(256));
  const header = chance.below(2) === 0 ? [] : container.subarray(0, readHeader(container)!.headerBytes);
  return Uint8Array.from([...header, ...random]);
}

/** The start of one container and the end of another. */
function spliced(container: Uint8Array, chance: Chance): Uint8Array {
  const other = seeds[chance.below(seeds.length)]!.container;
  const start = container.subarray(0, chance.below(container.length));
  return Uint8Array.from([...start, ...other.subarray(chance.below(other.length))]);
}

/** One byte of the header's fixed part, or of its numbers, has another value: the rest is as it was. */
function fieldChanged(container: Uint8Array, chance: Chance): Uint8Array {
  const at = chance.below(24);
  const values = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 28, 0x7f, 0x80, 0xff];
  return container.with(at, values[chance.below(values.length)]!);
}

const CLASS_G = 4;
/** Single old bytes come 128 at a time, and a prediction looks a few instructions ahead: a few reads for a byte made. */
const READS_PER_BYTE = 8;

function run(bytes: Uint8Array, from: Seed, chance: Chance): string {
  // Damage to the class alone must not hide what follows behind NO_MEMORY: now and then there is room for all classes.
  const workspace = chance.below(from.container[5] === CLASS_G ? 6 : 16) === 0 ? CLASS_BYTES.G : CLASS_BYTES.XL;
  const { ports, fenced } = bench(bytes, from.old, {
    slotBytes: SLOT_BYTES,
    workspace,
    oldBytes: oldBytesOf(bytes, from),
  });
  let reads = 0;
  const most = READS_PER_BYTE * ports.limits.newBytes + from.old.length;
  const slot = new Uint8Array(SLOT_BYTES);
  const counted = {
    ...ports,
    old: {
      read: (offset: number, into: Uint8Array) => {
        if (++reads > most) throw new RangeError(`more than ${most} reads`);
        ports.old.read(offset, into);
      },
    },
    sink: (offset: number, page: Uint8Array) => {
      ports.sink(offset, page);
      slot.set(page, offset);
    },
  };
  const decoder = new DeltaDecoder(counted);
  const code = codeOfRefusal(() => {
    for (let at = 0; at < bytes.length; ) {
      const next = at + 1 + chance.below(200);
      decoder.push(bytes.subarray(at, next));
      at = next;
    }
    decoder.finalize();
  });
  if (!fenced()) throw new Error('bytes outside the workspace were written');
  if (chance.below(8) === 0) codeOfRefusal(() => inspectDelta(bytes, chance.below(2) === 0 ? from.old : undefined));
  if (code !== 'accepted') return code;
  const image = slot.subarray(0, ports.limits.newBytes);
  return Buffer.compare(image, from.fresh) === 0 ? 'same image' : 'wrong digest';
}

/** Whatever the container says, as far as there are bytes: otherwise every other size would end in BAD_DELTA at once. */
function oldBytesOf(bytes: Uint8Array, from: Seed): number {
  try {
    return Math.min(readHeader(bytes)?.oldBytes ?? 0, from.old.length);
  } catch {
    return from.old.length;
  }
}
