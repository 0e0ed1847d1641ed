/**
 * Containers that no encoder would make and every decoder must read alike: models whose regions overlap, wrap around the
 * end of the address space and lie anywhere, runs with any shift, copies from anywhere. Coded by the encoder's own coders,
 * so that they decode to the image and not only to a refusal.
 */
import { type Assembled, assemble } from '@countersign/broker/delta/assemble';
import type { Fitting } from '@countersign/broker/delta/model/fitting';
import {
  type BlockOrder,
  CODER_HEATSHRINK,
  CODER_LITE,
  CODER_MIXING,
  type Direction,
} from '@countersign/device-sdk/delta';
import { cpuOf, ModelSection, type ModelShape, modelBytes, modelMemory } from '@countersign/device-sdk/delta/model';
import type { CCase } from './c-decoder.ts';
import { type Isa, programs } from './code.ts';
import { number } from './delta.ts';
import type { Chance } from './mutate.ts';

/** Numbers of the predictors in FORMAT-DELTA. */
const PREDICTORS: readonly [isa: Isa, predictor: number][] = [
  ['thumb', 1],
  ['riscv', 2],
  ['xtensa', 3],
  ['arm', 4],
  ['aarch64', 5],
  ['avr', 6],
  ['xtensa-be', 7],
];
const CODERS = [
  { coder: CODER_HEATSHRINK, windowBits: 8, lookaheadBits: 4 },
  { coder: CODER_LITE, windowBits: 1, lookaheadBits: 4 },
  { coder: CODER_LITE, windowBits: 4, lookaheadBits: 10 },
  { coder: CODER_MIXING, windowBits: 0, lookaheadBits: 0 },
  { coder: CODER_MIXING, windowBits: 1, lookaheadBits: 12 },
];
const PLACES: readonly (Direction | undefined)[] = [undefined, 'forward', 'backward'];
const BLOCKS = [0, 4096];
const REGIONS_MAX = 24;
const RUNS_MOST = 9;
const EDGES = [0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe, 0xffff_ffff, 0xffff_f000, 0x7fff_f000];

export interface HostileCase extends CCase {
  fresh: Uint8Array;
}

export function hostileCase(chance: Chance): HostileCase {
  const [isa, predictor] = PREDICTORS[chance.below(PREDICTORS.length)]!;
  const { old, fresh } = programs(isa, 20 + chance.below(60), chance.below(1000));
  const shape = {
    predictor,
    mapRuns: chance.below(RUNS_MOST),
    learnedEntries: [0, 1, 2, 64][chance.below(4)]!,
    ...{ oldBytes: old.length, newBytes: fresh.length },
  };
  const fitting = fittingOf(sectionOf(shape, chance), shape, old);
  const inPlace = PLACES[chance.below(PLACES.length)];
  const source = {
    kind: 'delta' as const,
    old,
    fresh,
    copies: copiesOf(old, fresh, chance),
    ...(inPlace && { inPlace }),
  };
  const candidate = { ...CODERS[chance.below(CODERS.length)]!, predictor, fitting };
  const { container }: Assembled = assemble(source, 'G', candidate, BLOCKS[chance.below(BLOCKS.length)]!);
  return { old, container, fresh, newBytes: fresh.length };
}

/** A number of 32 bits: at an edge, anywhere, small, or an address at which programs lie. */
function any32(chance: Chance): number {
  switch (chance.below(4)) {
    case 0:
      return EDGES[chance.below(EDGES.length)]!;
    case 1:
      return (chance.below(65_536) * 65_536 + chance.below(65_536)) >>> 0;
    case 2:
      return chance.below(20_000);
    default:
      return 2 * (0x0800_0000 + chance.below(64) * 4);
  }
}

/** By the table of FORMAT-DELTA: only the counts, and that offsets rise inside the image, are as they must be. */
function sectionOf(shape: ModelShape, chance: Chance): number[] {
  const ramRuns = chance.below(shape.mapRuns + 1);
  return [
    ...[chance.below(2), any32(chance), any32(chance)].flatMap(number),
    ...regions(shape.oldBytes, chance),
    ...regions(shape.newBytes, chance),
    ...number(ramRuns),
    ...runs(shape.mapRuns - ramRuns, chance),
    ...runs(ramRuns, chance),
  ];
}

function regions(imageBytes: number, chance: Chance): number[] {
  const offsets = new Set([0]);
  for (let i = chance.below(REGIONS_MAX); i > 0; i--) offsets.add(chance.below(imageBytes));
  const rising = [...offsets].sort((a, b) => a - b);
  const distances = rising.map((offset, i) => offset - (rising[i - 1] ?? 0));
  return [
    ...number(rising.length),
    ...distances.flatMap((distance) => [...number(2 * distance + chance.below(2)), ...number(any32(chance))]),
  ];
}

function runs(count: number, chance: Chance): number[] {
  let left = 0xffff_ffff;
  return Array.from({ length: count }, (_, i) => {
    const wanted = Math.min(any32(chance), left);
    // Behind the end of all numbers there is no room for a run that rises: the section is refused, by both.
    const distance = i === 0 ? wanted : Math.max(1, wanted);
    left -= distance;
    return [...number(distance), ...number(any32(chance))];
  }).flat();
}

/** As the encoder's own, but for a section that is written already. @throws Refusal where a decoder refuses it */
function fittingOf(section: number[], shape: ModelShape, old: Uint8Array): Fitting {
  const memory = modelMemory(new Uint8Array(modelBytes(shape)), shape);
  const reader = new ModelSection(shape, memory);
  for (const byte of section) reader.feed(byte);
  let [from, to] = [0, old.length];
  const bytes = { byte: (offset: number) => (offset >= from && offset < to ? old[offset]! : 0) };
  const open = (order: BlockOrder, turn: number) => {
    memory.learned.fill(0);
    [from, to] = order.remaining(turn, old.length);
  };
  const { mapRuns, learnedEntries } = shape;
  return {
    section: Uint8Array.from(section),
    mapRuns,
    learnedEntries,
    predictor: reader.predictor(bytes, (registers) => cpuOf(shape.predictor, registers)),
    bytes,
    open,
  };
}

/** Mostly from the same place, a little off it, or from anywhere. */
function copiesOf(old: Uint8Array, fresh: Uint8Array, chance: Chance) {
  const copies: { oldStart: number; newStart: number; length: number }[] = [];
  for (let at = chance.below(30); at < fresh.length; ) {
    const near = Math.max(0, at + chance.below(17) - 8);
    const oldStart = chance.below(3) === 0 ? chance.below(old.length) : near;
    const length = Math.min(1 + chance.below(700), fresh.length - at, old.length - oldStart);
    if (length > 0) copies.push({ oldStart, newStart: at, length });
    at += Math.max(1, length) + chance.below(3) * chance.below(40);
  }
  return copies;
}
