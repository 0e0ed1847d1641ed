import { note, verb } from '@countersign/broker/face/cli/program';
import { type Command, InvalidArgumentError } from 'commander';
import type { Row } from './attack.ts';
import type { Port } from './port/port.ts';
import { SdkPort } from './port/sdk.ts';
import { StdioPort } from './port/stdio.ts';
import { runAttack } from './run.ts';
import { ATTACKS } from './suite.ts';

interface Options {
  id?: number;
  port?: string;
  verbose?: boolean;
}

/** `attack`: the named attacks against this build, or against a port of the SDK. */
export function attackVerb(program: Command): void {
  const command = program
    .command('attack')
    .description('runs every named attack of docs/THREATS.md against this build')
    .option('--id <n>', 'one row alone', readId)
    .option('--port <command>', 'another SDK: a program that speaks docs/ATTACKS.md on stdin and stdout')
    .option('--verbose', 'a line for every try');
  verb(command, async ({ id, port: external, verbose = false }: Options) => {
    const port = external === undefined ? new SdkPort() : new StdioPort(external);
    try {
      const rows = await runAll(chosen(id, external !== undefined), port, verbose);
      const withstood = rows.filter(({ outcome }) => outcome === 'refused' || outcome === 'held').length;
      const text = [
        ...rows.map(lineOf),
        '',
        `${withstood} of ${rows.length} attacks withstood by the ${port.name}`,
      ].join('\n');
      return { json: rows, text, ok: withstood === rows.length };
    } finally {
      await (port instanceof StdioPort ? port.end() : port.close());
    }
  });
}

async function runAll(attacks: typeof ATTACKS, port: Port, verbose: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const attack of attacks) {
    const row = await runAttack(attack, port, (tried) => {
      if (verbose) note(`  ${tried.outcome.padEnd(10)} ${(tried.code ?? '').padEnd(17)} ${tried.how}`);
    });
    for (const { how, why } of row.failed) note(`row ${row.id}: ${how}: ${why}`);
    rows.push(row);
  }
  return rows;
}

/** Against another SDK the rows that attack servers alone say nothing. */
function chosen(id: number | undefined, external: boolean): typeof ATTACKS {
  const all = external ? ATTACKS.filter(({ against }) => against.includes('device')) : ATTACKS;
  return id === undefined ? all : all.filter((attack) => attack.id === id);
}

function lineOf({ id, name, outcome, codes, variants, millis }: Row): string {
  return `${String(id).padStart(2)}  ${outcome.padEnd(10)}  ${name.padEnd(44)}  ${String(variants).padStart(3)} tries  ${String(millis).padStart(5)} ms  ${codes.join(' ')}`;
}

function readId(text: string): number {
  const id = Number(text);
  if (!ATTACKS.some((attack) => attack.id === id)) throw new InvalidArgumentError(`1 to ${ATTACKS.length}.`);
  return id;
}
