/** The command with the broker's verbs alone, as a program to spawn. */
import { createProgram, runProgram } from '@countersign/broker/face/cli/program';
import { brokerVerbs } from '@countersign/broker/face/cli/verbs';

const program = createProgram('0.0.0-test');
brokerVerbs(program);
process.exitCode = await runProgram(program, process.argv);
