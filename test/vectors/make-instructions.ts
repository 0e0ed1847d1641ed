/**
 * Makes test/vectors/delta/instructions.json. Run from the root after a build, with LLVM's assembler at hand:
 *   node test/dist/vectors/make-instructions.js && npx biome check --write test/vectors/delta
 * Each row is assembled twice, at two addresses and with two targets, so that not our own arithmetic says which bytes a
 * moved instruction has. LLVM knows no Xtensa: its rows are worked out by hand from the formats of the ISA manual.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

export interface InstructionVector {
  id: string;
  /** Name of the predictor. */
  cpu: string;
  /** Bytes in hex at an address, and the same instructions elsewhere with another target. */
  before: { address: number; target: number; bytes: string };
  after: { address: number; target: number; bytes: string };
  /** Kind and size of each unit, in order; kind 0 has no target, all others have the one above. */
  units: [kind: number, size: number][];
}

type Units = InstructionVector['units'];
/** Assembly for a target at a distance from the first instruction, or at an address. */
type Text = (distance: number, target: number, address: number) => string;

const TRIPLES: Record<string, string[]> = {
  thumb: ['--triple=thumbv7m'],
  arm: ['--triple=armv7a'],
  aarch64: ['--triple=aarch64'],
  riscv: ['--triple=riscv32', '--mattr=+m,+a,+c,+f'],
  avr: ['--triple=avr', '--mcpu=atmega2560'],
};

const near: Row['places'] = [0x0800_1000, 0x0800_1060, 0x0800_2400, 0x0800_2444];
const far: Row['places'] = [0x0800_1000, 0x0801_2344, 0x0800_2402, 0x0801_0088];
const wide: Row['places'] = [0x4200_1000, 0x3c01_2ab4, 0x4200_2400, 0x3c01_3f00];
const halves: Row['places'] = [0x4_0004, 0x8_2348, 0x5_0ffc, 0x4_ff00];
const avr: Row['places'] = [0x1000, 0x1014, 0x2400, 0x2408];
const data: Row['places'] = [0x1000, 0x80_0234, 0x2400, 0x80_0fed];

interface Row {
  cpu: string;
  id: string;
  /** Address and target, before and after. */
  places: [number, number, number, number];
  units: Units;
  text: Text;
}

const row = (cpu: string, id: string, places: Row['places'], units: Units, text: Text): Row => ({
  ...{ cpu, id, places, units, text },
});
const high = (target: number): number => ((target + 0x800) >>> 12) & 0xfffff;
const low = (target: number): number => (target << 20) >> 20;
const page = (target: number, address: number): number => ((target & ~0xfff) - (address & ~0xfff)) | 0;

const ROWS: Row[] = [
  row('thumb', 'bl', far, [[2, 4]], (d) => `bl #${d - 4}`),
  row('thumb', 'b.w', far, [[3, 4]], (d) => `b.w #${d - 4}`),
  row('thumb', 'bne.w', far, [[3, 4]], (d) => `bne.w #${d - 4}`),
  row('thumb', 'b', near, [[4, 2]], (d) => `b #${d - 4}`),
  row('thumb', 'beq', near, [[4, 2]], (d) => `beq #${d - 4}`),
  row('thumb', 'cbnz', near, [[4, 2]], (d) => `cbnz r3, #${d - 4}`),
  row('thumb', 'ldr literal', near, [[5, 2]], (d) => `ldr r2, [pc, #${d - 4}]`),
  row('thumb', 'ldr.w literal', near, [[5, 4]], (d) => `ldr.w r9, [pc, #${d - 4}]`),
  row('arm', 'bl', [0x8000, 0x1_2344, 0x9000, 0x8f00], [[2, 4]], (d) => `bl #${d - 8}`),
  row('arm', 'blne', [0x8000, 0x1_2344, 0x9000, 0x8f00], [[2, 4]], (d) => `blne #${d - 8}`),
  row('arm', 'b', [0x8000, 0x1_2344, 0x9000, 0x8f00], [[3, 4]], (d) => `b #${d - 8}`),
  row('arm', 'ldr literal', [0x8000, 0x8064, 0x9000, 0x8ffc], [[5, 4]], (d) => `ldr r4, [pc, #${d - 8}]`),
  row('aarch64', 'bl', [0x4_0000, 0x8_2344, 0x5_0000, 0x4_ff00], [[2, 4]], (d) => `bl #${d}`),
  row('aarch64', 'b', [0x4_0000, 0x8_2344, 0x5_0000, 0x4_ff00], [[3, 4]], (d) => `b #${d}`),
  row('aarch64', 'cbz', [0x4_0000, 0x4_2344, 0x5_0000, 0x4_ff00], [[4, 4]], (d) => `cbz x9, #${d}`),
  row('aarch64', 'tbnz', [0x4_0000, 0x4_2344, 0x5_0000, 0x4_ff00], [[4, 4]], (d) => `tbnz w2, #3, #${d}`),
  row('aarch64', 'ldr literal', [0x4_0000, 0x4_2344, 0x5_0000, 0x4_ff00], [[5, 4]], (d) => `ldr x1, #${d}`),
  row('aarch64', 'adr', [0x4_0000, 0x4_2345, 0x5_0000, 0x4_ff03], [[5, 4]], (d) => `adr x1, #${d}`),
  row(
    ...(['aarch64', 'adrp and add', halves] as const),
    [
      [6, 4],
      [0, 4],
      [7, 4],
    ],
    (_, t, a) => `adrp x1, #${page(t, a)}\n nop\n add x1, x1, #${t & 0xfff}`,
  ),
  row(
    ...(['aarch64', 'adrp and ldr', halves] as const),
    [
      [6, 4],
      [7, 4],
    ],
    (_, t, a) => `adrp x1, #${page(t, a)}\n ldr x2, [x1, #${t & 0xfff}]`,
  ),
  row('riscv', 'jal', [0x1000, 0x1_2344, 0x8_2002, 0x1f00], [[2, 4]], (d) => `jal ra, ${d}`),
  row('riscv', 'bltu', [0x1000, 0x1344, 0x2002, 0x1f00], [[4, 4]], (d) => `bltu a0, a1, ${d}`),
  row('riscv', 'c.j', [0x1000, 0x1344, 0x2002, 0x1f00], [[3, 2]], (d) => `c.j ${d}`),
  row('riscv', 'c.bnez', [0x1000, 0x1044, 0x2002, 0x1f80], [[4, 2]], (d) => `c.bnez a0, ${d}`),
  row('riscv', 'auipc and jalr', wide, [[2, 8]], (d) => `auipc ra, ${high(d)}\n jalr ra, ${low(d)}(ra)`),
  row('riscv', 'auipc and sw', wide, [[2, 8]], (d) => `auipc t1, ${high(d)}\n sw a0, ${low(d)}(t1)`),
  row(
    ...(['riscv', 'lui and addi next to it', wide] as const),
    [
      [6, 4],
      [7, 4],
    ],
    (_, t) => `lui a0, ${high(t)}\n addi a0, a0, ${low(t)}`,
  ),
  row(
    ...(['riscv', 'lui, others, then addi and sw', wide] as const),
    [
      [6, 4],
      [0, 4],
      [0, 2],
      [7, 4],
      [7, 4],
    ],
    (_, t) => `lui a3, ${high(t)}\n mul a4, a1, a2\n c.mv a1, a4\n sw a1, ${low(t)}(a3)\n addi a3, a3, ${low(t)}`,
  ),
  row('avr', 'call', [0x1000, 0x2_2344, 0x2400, 0x3_ff00], [[2, 4]], (_, t) => `call ${t}`),
  row('avr', 'jmp', [0x1000, 0x2344, 0x2400, 0x3_ff00], [[2, 4]], (_, t) => `jmp ${t}`),
  row('avr', 'rcall', avr, [[3, 2]], (d) => `rcall ${d - 2}`),
  row('avr', 'rjmp', avr, [[3, 2]], (d) => `rjmp ${d - 2}`),
  row('avr', 'brne', avr, [[4, 2]], (d) => `brne ${d - 2}`),
  row('avr', 'lds', data, [[7, 4]], (_, t) => `lds r24, ${t & 0xffff}`),
  row('avr', 'sts', data, [[7, 4]], (_, t) => `sts ${t & 0xffff}, r24`),
];

const xtensa = (
  id: string,
  [kind, size]: [number, number],
  before: [address: number, target: number, little: string, big: string],
  after: [address: number, target: number, little: string, big: string],
): InstructionVector[] =>
  (['xtensa', 'xtensa-be'] as const).map((cpu, i) => ({
    id: `${cpu}: ${id}`,
    cpu,
    before: { address: before[0], target: before[1], bytes: before[i === 0 ? 2 : 3] },
    after: { address: after[0], target: after[1], bytes: after[i === 0 ? 2 : 3] },
    units: [[kind, size]],
  }));

/** Little: operand, n, op0 from the highest bit down, lowest byte first. Big: op0, n, operand, highest byte first. */
const XTENSA: InstructionVector[] = [
  // (0x2004 - 0x1000 - 4) / 4 = 0x400; (0x1000 - 0x3000 - 4) / 4 = -0x801, in 18 bits 0x3f7ff.
  ...xtensa('call8', [2, 3], [0x1001, 0x2004, '250001', '580400'], [0x3002, 0x1000, 'e5fffd', '5bf7ff']),
  // 0x1100 - 0x1000 - 4 = 0xfc; 0x2000 - 0x2100 - 4 = -0x104.
  ...xtensa('j', [3, 3], [0x1000, 0x1100, '063f00', '6000fc'], [0x2100, 0x2000, '06bfff', '63fefc']),
  // (0x0f00 - 0x1004) / 4 = -0x41: 0xffbf; (0x2000 - 0x2100) / 4 = -0x40: 0xffc0. Register a3.
  ...xtensa('l32r', [5, 3], [0x1001, 0x0f00, '31bfff', '13ffbf'], [0x2100, 0x2000, '31c0ff', '13ffc0']),
  // BEQZ a4, m 0, n 1: 0x1100 - 0x1000 - 4 = 0xfc; 0x2000 - 0x2100 - 4 = -0x104: 0xefc.
  ...xtensa('beqz', [4, 3], [0x1000, 0x1100, '16c40f', '6440fc'], [0x2100, 0x2000, '16c4ef', '644efc']),
  // BEQ (r 1) a2, a3: 0x1020 - 0x1000 - 4 = 0x1c; 0x20f0 - 0x2100 - 4 = -0x14: 0xec.
  ...xtensa('beq', [4, 3], [0x1000, 0x1020, '37121c', '73211c'], [0x2100, 0x20f0, '3712ec', '7321ec']),
];

const hex = (bytes: readonly number[]): string => Buffer.from(bytes).toString('hex');

/** The bytes LLVM gives, from its listing. */
function assembled(cpu: string, text: string): string {
  const run = spawnSync('llvm-mc', [...TRIPLES[cpu]!, '--show-encoding'], { input: `${text}\n`, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  const found = [...run.stdout.matchAll(/encoding: \[(.*?)\]/g)].flatMap((match) => match[1]!.split(',').map(Number));
  if (found.some(Number.isNaN)) throw new Error(`${cpu} ${text}: ${run.stdout}`);
  return hex(found);
}

const rows: InstructionVector[] = ROWS.map(
  ({ cpu, id, places: [address, target, address2, target2], units, text }) => ({
    id: `${cpu}: ${id}`,
    cpu,
    before: { address, target, bytes: assembled(cpu, text(target - address, target, address)) },
    after: { address: address2, target: target2, bytes: assembled(cpu, text(target2 - address2, target2, address2)) },
    units,
  }),
);
writeFileSync('test/vectors/delta/instructions.json', JSON.stringify([...rows, ...XTENSA], null, 2));
