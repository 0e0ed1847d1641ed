import type { Command } from 'commander';
import { verb } from './program.ts';
import type { DeviceOptions, ProvisionOptions, RunOptions } from './run-device.ts';
import { collectFiles } from './values.ts';

/** `device key`, `device provision`, `device run`, `device status`: this machine as a device, or as a gateway to one. */
export function deviceProcessVerbs(program: Command): void {
  const device = program.command('device').description('be a device: slots, boot control and links of a profile');
  // The SDK's side is loaded only where it is used: every other verb starts faster.
  const verbs = () => import('./run-device.ts');

  verb(common(device.command('key').description('make the key of this device, or show its public half')), async (o) =>
    (await verbs()).keyOf(o as DeviceOptions),
  );

  const provision = common(
    device.command('provision').description("the factory's step: image and record become a device"),
  )
    .requiredOption('--record <file>', 'provision.cbor of `devices enrol --provision`')
    .option('--image <file>', 'factory.bin; not needed where the slot holds it already')
    .option('--component <id=file>', 'and factory-ID.bin of a further component; repeat for more', collectFiles)
    .option('--slot <n>', 'the slot that boots: 0 or 1', '0')
    .option('--new-id', 'the record is for any device: this one takes a random id, and is enrolled by `run --claim`');
  verb(provision, async (o) => (await verbs()).provision(o as ProvisionOptions));

  verb(
    common(device.command('status').description('what the device runs and has under way, while it does not run')),
    async (o) => (await verbs()).statusOf(o as DeviceOptions),
  );

  const run = common(device.command('run').description('run the device until it is stopped, or is to be started again'))
    .option('--bundle <file...>', 'what `countersign bundle` wrote: used where the network does not answer')
    .option(
      '--claim <code>',
      'enrol this device first, with a code of `devices code`, or @FILE that holds it; its key is made where there is none',
    )
    .option(
      '--serial <text>',
      "enrol this device first, as this line of `devices authorise`: by its own key, or by --claim with the line's code",
    )
    .option('--claim-cert', "enrol this device first, by the certificate of the profile's HTTP link; its key is made")
    .option('--claim-url <url>', "the server's address for devices; the profile's first HTTP link where not given");
  verb(run, async (o) => {
    await (await verbs()).run(o as RunOptions);
    return undefined;
  });
}

function common(command: Command): Command {
  return command
    .requiredOption('--profile <file>', 'slots, boot control, links and key of this device (docs/INTEGRATION.md)')
    .option('--passphrase-file <file>', "passphrase of the device's key [COUNTERSIGN_PASSPHRASE_FILE]");
}
