import { note, verb } from '@countersign/broker/face/cli/program';
import { type Command, InvalidArgumentError } from 'commander';
import { demoText } from '../report/summary.ts';
import { demo } from './demo.ts';
import { freshSeed } from './simulate.ts';
import { DEFAULT_REVISIONS, faultOptions, faultsOf, interrupted, readDevices, replayLine } from './simulate-verb.ts';
import type { Demonstrated } from './told.ts';

interface Options {
  devices: number;
  seed?: string;
  loss: number;
  powerCut: number;
  keep?: boolean;
  verbose?: boolean;
}

/** Fewer devices would leave a part of the story without anybody to play it. */
const DEVICES_MIN = 14;

/** `demo`, which is `npm start`. */
export function demoVerb(program: Command): void {
  const command = program
    .command('demo')
    .description('the whole story in one command: a fleet takes deltas, reverts a bad one, and refuses ten attacks')
    .option('--devices <n>', 'how many', readCast, 300)
    .option('--keep', 'leave everything running at the end')
    .option('--verbose', 'a line for every change of a device');
  faultOptions(command, { loss: 0.2, powerCut: 2_000, revisions: false });
  verb(command, async (options: Options) => {
    const { devices, seed = freshSeed(), keep = false, verbose = false } = options;
    const revisions = DEFAULT_REVISIONS;
    const { loss, powerCut } = options;
    const replay = replayLine('demo', [], { seed, devices, loss, powerCut });
    const textOf = ({ outcome, verdict, broken }: Demonstrated) => demoText(outcome, verdict, broken, replay);
    const told = await demo({
      ...{ devices, seed, revisions, verbose },
      faults: faultsOf(options),
      ...(keep && { keep: (where, told) => stay(where, textOf(told)) }),
      write: note,
    });
    const { outcome, verdict, broken } = told;
    const text = keep ? replay : textOf(told);
    return { json: { ...outcome, oracle: verdict, broken }, text, ok: broken.length === 0 };
  });
}

/** The result first: whoever keeps it running wants to look at it now. */
async function stay({ data, url }: { data: string; url: string }, text: string): Promise<void> {
  note(text);
  const here = `--data ${data}`;
  note('');
  note(`Everything stays up on ${url} until Ctrl-C; then ${data} is removed. In another terminal:`);
  for (const example of ['devices', 'releases', 'rollout list', 'history sensor-node@1.1.0']) {
    note(`  npx countersign ${example} ${here}`);
  }
  await interrupted();
  note(`stopping; ${data} is removed`);
}

function readCast(text: string): number {
  const devices = readDevices(text);
  if (devices < DEVICES_MIN) throw new InvalidArgumentError(`at least ${DEVICES_MIN} devices.`);
  return devices;
}
