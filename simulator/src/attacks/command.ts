/** What `attack` does. It stands apart from the verb: the rows and what they attack take half a second to load. */
import { note, WrongUse } from '@countersign/broker/face/cli/program';
import type { Outcome, Row } from './attack.ts';
import { ONE_SLOT_ATTACKS } from './one-slot.ts';
import type { Port } from './port/port.ts';
import { SdkPort } from './port/sdk.ts';
import { StdioPort } from './port/stdio.ts';
import { runAttack } from './run.ts';
import { ATTACKS } from './suite.ts';

export interface AttackOptions {
  id?: number;
  port?: string;
  oneSlot?: boolean;
  verbose?: boolean;
}

export async function attack({ id, port: external, oneSlot = false, verbose = false }: AttackOptions) {
  if (oneSlot && external !== undefined)
    throw new WrongUse('--one-slot is for the SDK of this build: leave out --port');
  const attacks = oneSlot ? only(ONE_SLOT_ATTACKS, id) : chosen(id, external !== undefined);
  const port = external === undefined ? new SdkPort(oneSlot ? 'one slot' : 'two slots') : new StdioPort(external);
  try {
    const rows = await runAll(attacks, port, verbose);
    const withstood = rows.filter(isWithstood).length;
    const text = [...rows.map(lineOf), '', `${withstood} of ${rows.length} attacks withstood by the ${port.name}`];
    const json = { total: rows.length, refused: withstood, rows: rows.map(jsonOf) };
    return { json, text: text.join('\n'), ok: withstood === rows.length };
  } finally {
    await (port instanceof StdioPort ? port.end() : port.close());
  }
}

async function runAll(attacks: typeof ATTACKS, port: Port, verbose: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const each of attacks) {
    const row = await runAttack(each, port, (tried) => {
      if (verbose) note(`  ${wordOf(tried.outcome).padEnd(10)} ${(tried.code ?? '').padEnd(17)} ${tried.how}`);
    });
    for (const { how, why } of row.failed) note(`row ${row.id}: ${how}: ${why}`);
    rows.push(row);
  }
  return rows;
}

/** Against another SDK the rows that attack servers alone say nothing. */
function chosen(id: number | undefined, external: boolean): typeof ATTACKS {
  const known = id === undefined || ATTACKS.some((row) => row.id === id);
  if (!known) throw new WrongUse(`there is no attack ${id}: --id is 1 to ${ATTACKS.length}`);
  const all = external ? ATTACKS.filter(({ against }) => against.includes('device')) : ATTACKS;
  return only(all, id);
}

function only(all: typeof ATTACKS, id: number | undefined): typeof ATTACKS {
  return id === undefined ? all : all.filter((row) => row.id === id);
}

function lineOf({ id, name, outcome, codes, variants, millis }: Row): string {
  return `${String(id).padStart(2)}  ${wordOf(outcome).padEnd(10)}  ${name.padEnd(44)}  ${String(variants).padStart(3)} tries  ${String(millis).padStart(5)} ms  ${codes.join(' ')}`;
}

/** As the demonstration writes its own attacks: `refused` is true where the attack failed, by whatever outcome. */
function jsonOf({ codes, ...row }: Row) {
  return { ...row, refused: isWithstood(row), outcome: wordOf(row.outcome), code: codes[0] ?? null, codes };
}

function isWithstood({ outcome }: Pick<Row, 'outcome'>): boolean {
  return outcome === 'refused' || outcome === 'held';
}

/** Nothing was said and nothing changed: seen from outside, whoever was attacked survived it. */
function wordOf(outcome: Outcome): string {
  return outcome === 'held' ? 'survived' : outcome;
}
