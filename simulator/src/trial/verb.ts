import { personOptions } from '@countersign/broker/face/cli/connect';
import { verb } from '@countersign/broker/face/cli/program';
import { TRIAL_DEVICES_MAX } from '@countersign/broker/ledger/contract/args';
import { type Command, InvalidArgumentError } from 'commander';
import { faultOptions, readLoss } from '../scenario/simulate-verb.ts';
import type { TrialOptions } from './command.ts';

/** `trial`: a release on virtual devices of every profile in the field, and the record of it in the ledger. */
export function trialVerb(program: Command): void {
  const command = personOptions(
    program
      .command('trial <release>')
      .description(
        'run a release on virtual devices of every profile in the field, and put the signed record into the ledger',
      ),
  )
    .option('--devices <n>', 'of each profile', readDevices, 5)
    .option(
      '--hardware <list>',
      'hardware revisions, comma separated, instead of those that devices have as label hw',
      readHardware,
    )
    .option('--lie <percent>', 'of messages that a gateway alters or replays', readLoss, 1)
    .option('--check', "do the ledger's newest record again and compare: nothing is signed")
    .option('--dry-run', 'send no record: nothing is signed')
    .option('--verbose', 'a line for every change of a device');
  faultOptions(command, { loss: 3, powerCut: 400, revisions: false });
  verb(command, async (name: string, options: TrialOptions) => {
    const { trial } = await import('./command.ts');
    return trial(name, options);
  });
}

function readDevices(text: string): number {
  const count = Number(text);
  const good = Number.isInteger(count) && count >= 1 && count <= TRIAL_DEVICES_MAX;
  if (!good) throw new InvalidArgumentError(`1 to ${TRIAL_DEVICES_MAX} devices.`);
  return count;
}

function readHardware(text: string): string[] {
  const names = text.split(',');
  const good =
    names.length <= 16 && new Set(names).size === names.length && names.every((n) => /^[\w.-]{1,16}$/.test(n));
  if (!good) throw new InvalidArgumentError('revisions are written A,B,C.');
  return names;
}
