/** Containers with one field at or over its limit, and everything else as it should be; behind them whatever comes. */
import { readHeader, workspaceBytes } from '@countersign/device-sdk/delta';
import type { CCase } from './c-decoder.ts';
import { image, number, tag } from './delta.ts';
import type { Chance } from './mutate.ts';

const OLD_BYTES = 5000;
const old = image(OLD_BYTES, 9);
const MARK = [0x43, 0x53, 0x44];
const NONE = -1;
/** What a field is when it is the wrong one. Some of these are right in the company that they happen to keep. */
const WRONG = {
  version: [0, 1, 3, 255],
  flags: [1, 2, 3, 5, 7, 8, 16, 128],
  memoryClass: [0, 1, 2, 3, 5, 255],
  predictor: [8, 255],
  coder: [0, 4, 255],
  windowBits: [0, 1, 2, 3, 5, 15, 16, 31, 255],
  lookaheadBits: [0, 1, 2, 3, 7, 9, 11, 13, 22, 23, 32, 255],
  pageBits: [0, 7, 16, 17, 31, 32, 255],
  checkpointBits: [1, 7, 11, 29, 31, 32, 255],
  workspace: [0, 1, 4095, 1_048_577, 0x3fff_ffff],
  modelBytes: [0, 1, 3, 0x3fff_ffff],
  mapRuns: [1, 4095, 4096, 4097, 0x3fff_ffff],
  learnedEntries: [1, 3, 32_768, 65_536, 0x2000_0000],
  newBytes: [0, 1, 0x3fff_fffe, 0x3fff_ffff, 0x4000_0000],
  oldBytes: [0, 1, OLD_BYTES - 1, OLD_BYTES + 1, 0x3fff_ffff, 0x4000_0000],
};
type Field = keyof typeof WRONG;
const FIELDS = Object.keys(WRONG) as Field[];
const CODERS = [
  { coder: 1, windowBits: 8, lookaheadBits: 4 },
  { coder: 2, windowBits: 4, lookaheadBits: 10 },
  { coder: 3, windowBits: 0, lookaheadBits: 12 },
];
/** Most images are larger than this by their header alone: nothing is made of them but a refusal. */
const SLOT_BYTES = 70_000;

export function hostileHeader(chance: Chance): CCase {
  const pick = <T>(list: readonly T[]): T => list[chance.below(list.length)]!;
  const predictor = chance.below(8);
  const section = predictor === 0 ? [] : [0, 0, 0, 1, 1, 0, 1, 1, 0, 0];
  const sound = {
    ...{ version: 2, flags: pick([0, 4, 6]), memoryClass: 4, predictor, ...pick(CODERS) },
    ...{ pageBits: pick([8, 9, 12]), checkpointBits: pick([0, 12, 28]), mapRuns: 0, learnedEntries: 0 },
    ...{ modelBytes: section.length, newBytes: pick([5, 4096, 4097, 20_000]), oldBytes: OLD_BYTES, workspace: NONE },
  };
  const wrong = pick(FIELDS);
  const fields = { ...sound, [wrong]: pick(WRONG[wrong]) };
  const workspace = fields.workspace === NONE ? neededBy(fields) : fields.workspace;
  const { modelBytes, mapRuns, learnedEntries, newBytes, oldBytes } = fields;
  const full = (fields.flags & 1) === 1;
  const numbers = [workspace, modelBytes, mapRuns, learnedEntries, newBytes, ...(full ? [] : [oldBytes])];
  const { version, flags, memoryClass, coder, windowBits, lookaheadBits, pageBits, checkpointBits } = fields;
  const fixed = [
    version,
    flags,
    memoryClass,
    fields.predictor,
    coder,
    windowBits,
    lookaheadBits,
    pageBits,
    checkpointBits,
  ];
  const tags = full ? tag(old) : [...tag(old), ...tag(old)];
  const stream = Array.from({ length: chance.below(300) }, () => pick([0, 0, 255, chance.below(256)]));
  const container = Uint8Array.from([...MARK, ...fixed, ...numbers.flatMap(number), ...tags, ...section, ...stream]);
  const said = saidBy(container);
  return {
    old: said.oldBytes > OLD_BYTES ? old : old.subarray(0, said.oldBytes),
    container,
    newBytes: Math.min(said.newBytes, SLOT_BYTES),
    slotBytes: SLOT_BYTES,
    workspace: pick([1_048_576, 1_048_576, 65_536]),
    piece: pick([0, 1, 3, 64]),
  };
}

/** The sum of the header's own rule where it is one; with exponents over their limits it is not, and anything will do. */
function neededBy(fields: Parameters<typeof workspaceBytes>[0]): number {
  try {
    const need = workspaceBytes(fields);
    return Number.isInteger(need) && need < 2 ** 30 ? need : 4096;
  } catch {
    return 4096;
  }
}

function saidBy(container: Uint8Array): { oldBytes: number; newBytes: number } {
  try {
    return readHeader(container) ?? { oldBytes: OLD_BYTES, newBytes: 5 };
  } catch {
    return { oldBytes: OLD_BYTES, newBytes: 5 };
  }
}
