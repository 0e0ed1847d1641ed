/** The one command: the broker's verbs, and with them those that need a false world. */
import { readFileSync } from 'node:fs';
import { createProgram, runProgram } from '@countersign/broker/face/cli/program';
import { brokerVerbs } from '@countersign/broker/face/cli/verbs';
import { attackVerb } from './attacks/verb.ts';
import { demoVerb } from './scenario/demo-verb.ts';
import { simulateVerb } from './scenario/simulate-verb.ts';
import { trialVerb } from './trial/verb.ts';

/** @param argv as `process.argv` */
export async function main(argv: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const program = createProgram(version);
  demoVerb(program);
  brokerVerbs(program);
  simulateVerb(program);
  attackVerb(program);
  trialVerb(program);
  process.exitCode = await runProgram(program, argv);
}
