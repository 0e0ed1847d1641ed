/** The one command: the broker's verbs, and with them those that need a false world. */
import { readFileSync } from 'node:fs';
import { createProgram, runProgram } from '@countersign/broker/face/cli/program';
import { addVerbs } from '@countersign/broker/face/cli/verbs';
import { VERBS } from './verbs.ts';

/** @param argv as `process.argv` */
export async function main(argv: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const program = createProgram(version);
  await addVerbs(program, VERBS, argv[2]);
  process.exitCode = await runProgram(program, argv);
}
