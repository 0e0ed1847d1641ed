/** docs/FORMAT-DELTA.md against the code: what the page's tables say is what the device's decoder does. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cpuOf, REGISTER_WORDS } from '@countersign/device-sdk/delta/model';
import test, { type ExecutionContext } from 'ava';
import { section, table } from '../support/format-delta.ts';
import { type Look, MAKERS, type Tables } from '../support/instruction-tables.ts';
import { rate, squash, squashTable, stretch } from '../support/page-coders.ts';
import { repository } from '../support/repository.ts';

const UNITS = 100_000;
/** Instructions of one copy: long enough that searches behind LUI and ADRP end inside and outside. */
const COPY_BYTES = 96;

/** Repeatable numbers of 32 bits. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let z = Math.imul(this.#state ^ (this.#state >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  below(count: number): number {
    return this.word() % count;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

const numbers = table(section('## Instruction sets'), 'predictor').map((row) => Number.parseInt(row.predictor!, 10));

test('every predictor of the header has an instruction set on the page, and the other way round', (t) => {
  const header = table(section('## Header'), 'offset').find(({ offset }) => offset === '6')!.field!;
  const named = [...header.matchAll(/(\d+) [A-Z]/g)].map((match) => Number(match[1]));
  t.deepEqual(numbers, named);
  t.deepEqual(Object.keys(MAKERS).map(Number), numbers);
});

/** Not for integrators, so no package name leads there. */
interface Mix {
  squash(x: number): number;
  STRETCH: Int16Array;
}

test('squash, stretch and rate of the page are those of the code, for every argument', async (t) => {
  const load = (name: string) =>
    import(pathToFileURL(join(repository, `device-sdk/dist/src/delta/model/${name}.js`)).href);
  const mix = (await load('mix')) as Mix;
  const { RATE } = (await load('rate')) as { RATE: Int32Array };
  t.is(squashTable.length, 33);
  for (let x = -2047; x <= 2047; x++) t.is(squash(x), mix.squash(x), `squash(${x})`);
  t.deepEqual(stretch, [...mix.STRETCH]);
  t.deepEqual(
    [...RATE],
    [...RATE].map((_, n) => rate(n)),
  );
});

for (const number of numbers) {
  test(`predictor ${number}: ${UNITS} random instructions and edges read, tell and take targets as the tables say`, (t) => {
    const tables = MAKERS[number]!();
    const cpu = cpuOf(number, new Uint32Array(REGISTER_WORDS));
    const align = Number(table(section('## Instruction sets'), 'predictor')[numbers.indexOf(number)]!.alignment);
    t.is(cpu.align, align);
    const dice = new Dice(number);
    const seen = new Map<number, number>();
    for (let done = 0; done < UNITS; ) {
      const bytes = program(tables, align, dice);
      const old = { byte: (offset: number) => bytes[offset] ?? 0 };
      const tail = new Uint8Array(COPY_BYTES + 64);
      tail.set(bytes);
      let address = place(dice, align);
      tables.reset();
      cpu.reset();
      for (let at = 0; at < COPY_BYTES; done++) {
        const unit = { size: 1, kind: 0, form: 0, target: 0 };
        cpu.look(old, at, address, unit);
        const look = tables.look(tail, at, address);
        const where = `bytes ${hex(tail.subarray(at, at + 8))} at ${address.toString(16)}`;
        const plain = unit.kind === 0;
        const same = plain ? unit.size === look.size && look.kind === 0 : equal(unit, look);
        if (!same) return t.deepEqual(unit, look, where);
        seen.set(plain ? 0 : look.form, (seen.get(plain ? 0 : look.form) ?? 0) + 1);
        if (!plain && !checkPuts(t, tables, cpu, tail.subarray(at, at + look.size), look, dice)) return;
        at += look.size;
        address = (address + look.size) >>> 0;
      }
    }
    const forms = new Set(tables.rows.filter(({ form }) => form > 0).map(({ form }) => form));
    for (const form of forms) t.true((seen.get(form) ?? 0) > 100, `form ${form} was hardly seen`);
    t.true(seen.get(0)! > 100);
    t.log([...seen].map(([form, count]) => `form ${form}: ${count}`).join(', '));
  });
}

type Cpu = ReturnType<typeof cpuOf>;

/** Puts targets at the edges of the reach, and lets other bytes tell theirs. */
function checkPuts(t: ExecutionContext, tables: Tables, cpu: Cpu, before: Uint8Array, look: Look, dice: Dice): boolean {
  const b = place(dice, dice.of([1, 4]));
  const target = goal(dice, b);
  const [byTable, byCode] = [before.slice(), before.slice()];
  const where = `${hex(before)} seen from ${b.toString(16)}, target ${target.toString(16)}`;
  const puts = tables.put(byTable, b, target);
  if (puts !== cpu.retarget(byCode, look.form, b, target)) {
    t.fail(`room for ${where}: ${puts} by the page`);
    return false;
  }
  if (Buffer.compare(byTable, byCode) !== 0) {
    t.is(hex(byCode), hex(byTable), where);
    return false;
  }
  const other = dice.below(4) === 0 ? before.map((byte) => byte ^ (1 << dice.below(8))) : byTable;
  const told = tables.tell(other, look.size, look.form, b);
  if (told === cpu.targetOf(other, look.form, b)) return true;
  t.is(cpu.targetOf(other, look.form, b), told, `what ${hex(other)} tells, seen from ${b.toString(16)}`);
  return false;
}

/** Instructions of the tables with random and extreme operands, over few registers, and random bytes between them. */
function program(tables: Tables, align: number, dice: Dice): Uint8Array {
  const bytes = new Uint8Array(COPY_BYTES);
  for (let at = 0; at + 4 <= COPY_BYTES; ) {
    const row = dice.of(tables.rows);
    const noise = dice.of([dice.word(), dice.word(), dice.word(), 0, 0xffff_ffff, dice.word() & 0xfff0_7fff]);
    const few = dice.below(4) > 0 ? ~0x000e_0f7c : 0xffff_ffff;
    tables.store(bytes, at, row, ((noise & few & ~row.mask) | row.value) >>> 0);
    if (dice.below(10) === 0) bytes.set([noise, noise >>> 8, noise >>> 16, noise >>> 24], at);
    at += dice.below(20) === 0 ? align : row.bytes;
  }
  if (dice.below(3) > 0) return bytes;
  for (let i = 0; i < COPY_BYTES; i += 1 + dice.below(40))
    bytes[i] = dice.of([0x36, 0x12, 0xc1, 0x41, 0x6c, 0x21, 0x1c, dice.word()]);
  return bytes;
}

function place(dice: Dice, align: number): number {
  const near = dice.of([0, 0xffff_fff0, 0x7fff_fff8, 0x0080_0000, dice.word()]);
  const address = (near + dice.below(64)) >>> 0;
  return address - (address % align);
}

/** A power of two away, or nearly, or anywhere. */
function goal(dice: Dice, b: number): number {
  const near = dice.of([1, -1]) * 2 ** dice.below(33) + dice.below(17) - 8;
  return dice.of([
    (b + near) >>> 0,
    (0x800000 + near) >>> 0,
    dice.word(),
    (b + dice.below(4096) - 2048) >>> 0,
    near >>> 0,
  ]);
}

function equal(a: Look, b: Look): boolean {
  return a.size === b.size && a.kind === b.kind && a.form === b.form && a.target === b.target;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
