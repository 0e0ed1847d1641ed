/** The command with the broker's verbs alone, as a program to spawn. */
import { createProgram, runProgram } from '@countersign/broker/face/cli/program';
import { addVerbs, BROKER_VERBS } from '@countersign/broker/face/cli/verbs';

const program = createProgram('0.0.0-test');
await addVerbs(program, BROKER_VERBS, process.argv[2]);
process.exitCode = await runProgram(program, process.argv);
