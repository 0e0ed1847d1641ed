import { verb } from '@countersign/broker/face/cli/program';
import { type Command, InvalidArgumentError } from 'commander';
import type { AttackOptions } from './command.ts';

/** `attack`: the named attacks against this build, or against a port of the SDK. */
export function attackVerb(program: Command): void {
  const command = program
    .command('attack')
    .description('runs every named attack of docs/THREATS.md against this build')
    .option('--id <n>', 'one row alone', readId)
    .option('--port <command>', 'another SDK: a program that speaks docs/ATTACKS.md on stdin and stdout')
    .option('--one-slot', 'the rows that concern a device, on one with a single slot')
    .option('--verbose', 'a line for every try');
  verb(command, async (options: AttackOptions) => {
    const { attack } = await import('./command.ts');
    return attack(options);
  });
}

function readId(text: string): number {
  const id = Number(text);
  if (!Number.isInteger(id) || id < 1) throw new InvalidArgumentError('the number of a row.');
  return id;
}
