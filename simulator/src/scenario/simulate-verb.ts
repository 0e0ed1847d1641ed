import { connectAs, type PersonOptions, personOptions } from '@countersign/broker/face/cli/connect';
import { note, verb, WrongUse } from '@countersign/broker/face/cli/program';
import { collectLabels, readWhole } from '@countersign/broker/face/cli/values';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type FaultRates, NO_FAULTS } from '../fleet/faults.ts';
import { formatRevisions, type Revisions, readRevisions } from '../fleet/profile.ts';
import { simulatedText } from '../report/summary.ts';
import { freshSeed, simulate } from './simulate.ts';

interface Options extends PersonOptions {
  virtual?: boolean;
  chaos?: boolean;
  lie?: number;
  radio?: boolean;
  kgc?: boolean;
  product?: string;
  from?: string;
  devices: number;
  seed?: string;
  loss: number;
  powerCut: number;
  revisions?: Revisions;
  label?: Record<string, string>;
  until: 'updated' | 'settled';
  timeout?: number;
  verbose?: boolean;
  keepRunning?: boolean;
}

/** A fleet beyond this wants more ports than one address has, and more memory than a laptop. */
export const DEVICES_MAX = 20_000;
/** Long enough for a person to open a rollout in another terminal. */
const TIMEOUT_SECONDS = 600;
export const DEFAULT_REVISIONS: Revisions = [
  ['A', 6],
  ['B', 3],
  ['C', 1],
];

/** `simulate`: a fleet that joins a running server. */
export function simulateVerb(program: Command): void {
  const command = personOptions(
    program
      .command('simulate')
      .description('virtual devices join a running server and update over TCP, or live in a world of their own'),
  )
    .option('--product <name>', 'product name or class id; not with --virtual')
    .option('--from <version>', 'the release that the devices leave the factory with; not with --virtual')
    .option('--virtual', 'a world of its own, servers too, in one process on a virtual clock: one seed, one log')
    .option('--chaos', 'with --virtual: overlapping releases, restarts and wrong clocks, then a healed world')
    .option('--lie <percent>', 'of messages that a gateway alters or replays; with --virtual only', readLoss)
    .option('--radio', 'with --virtual: a product of two components [with --chaos: one seed in three]')
    .option('--no-radio', 'with --virtual and --chaos: the application alone, whatever the seed says')
    .option('--kgc', 'with --virtual: signers whose keys a centre issued [with --chaos: one seed in four]')
    .option('--no-kgc', 'with --virtual and --chaos: keys that the servers made, whatever the seed says')
    .option('--devices <n>', 'how many', readDevices, 20)
    .option('--label <key=value>', 'label every device, beside hw=REVISION; repeat for more', collectLabels)
    .addOption(
      new Option('--until <state>', 'updated: through with a newer release; settled: nothing to do')
        .choices(['updated', 'settled'])
        .default('updated'),
    )
    .option('--timeout <seconds>', 'give up after so long; never with --keep-running [600]', readWhole)
    .option('--keep-running', 'stay connected until Ctrl-C, also when all is done')
    .option('--verbose', 'a line for every change of a device');
  faultOptions(command, { loss: 0, powerCut: 0, revisions: true });
  verb(command, async (options: Options) => {
    if (options.virtual) return simulateVirtually(command, options);
    for (const name of VIRTUAL_ALONE)
      if (options[name] !== undefined) throw new WrongUse(`--${name} is for a world of its own: add --virtual`);
    const [product, from] = [needed(command, '--product <name>'), needed(command, '--from <version>')];
    const { session, signer } = await connectAs(options, ['operator']);
    const seed = options.seed ?? freshSeed();
    const { devices, revisions = DEFAULT_REVISIONS, until, data = process.env.COUNTERSIGN_DATA } = options;
    const { outcome, verdict, reached } = await simulate(session, signer, {
      ...{ product, from, devices, revisions, until, seed, data },
      faults: faultsOf(options),
      timeoutSeconds: options.timeout ?? (options.keepRunning ? Number.POSITIVE_INFINITY : TIMEOUT_SECONDS),
      verbose: options.verbose ?? false,
      labels: options.label ?? {},
      ...(options.keepRunning && { keepRunning: interrupted() }),
      say: note,
    });
    const ok = reached && verdict.ok && outcome.stuck === 0;
    note(replayLine('simulate', ['--product', product, '--from', from], { ...options, revisions, seed }));
    return { json: { ...outcome, oracle: verdict }, text: simulatedText(outcome, verdict, reached), ok };
  });
}

/** The releases of the sample that a virtual fleet gets, one after another; the last one fails on hardware C. */
const VIRTUAL_RELEASES = ['1.0.1', '1.1.0', '1.2.0'];
/** Virtual, and far beyond what a fleet takes under any faults that it gets through at all. */
const VIRTUAL_SECONDS = 6 * 3600;

/** What only makes sense beside a running server is refused, not ignored. */
const BESIDE_A_SERVER = ['product', 'from', 'server', 'as', 'label'] as const;

/** A server that runs cannot be given wrong clocks, and no gateway stands before it. */
const VIRTUAL_ALONE = ['chaos', 'lie', 'radio', 'kgc'] as const;

async function simulateVirtually(command: Command, options: Options) {
  for (const name of BESIDE_A_SERVER) {
    const given = command.getOptionValueSource(name) === 'cli';
    if (given) throw new WrongUse(`--virtual has no server to join: leave out --${name}`);
  }
  const { devices, revisions = DEFAULT_REVISIONS, lie = 0, loss, powerCut, chaos = false, radio, kgc } = options;
  // Loaded when asked for: a whole world takes its time.
  const [{ runVirtual }, { CHAOS_RATES }] = await Promise.all([
    import('../virtual/run.ts'),
    import('../virtual/chaos.ts'),
  ]);
  const seed = options.seed ?? freshSeed();
  const { outcome, verdict, reached, events, looks, replay } = await runVirtual({
    ...{ seed, devices, revisions, releases: VIRTUAL_RELEASES },
    rates: chaos ? CHAOS_RATES : { loss: loss / 100, lie: lie / 100, powerCut },
    ...{ chaos, radio, kgc },
    timeoutSeconds: options.timeout ?? VIRTUAL_SECONDS,
    line: note,
  });
  note(replay);
  const ok = reached && verdict.ok && outcome.stuck === 0 && outcome.ledger.verified;
  const json = { ...outcome, virtual: true, events, looks, oracle: verdict };
  return { json, text: simulatedText(outcome, verdict, reached), ok };
}

function needed(command: Command, flags: string): string {
  const value: unknown = command.getOptionValue(flags.slice(2, flags.indexOf(' ')));
  if (typeof value === 'string') return value;
  throw new WrongUse(`required option '${flags}' not specified`);
}

/** @param defaults percent and operations; without `revisions` the option is left out */
export function faultOptions(command: Command, defaults: { loss: number; powerCut: number; revisions: boolean }): void {
  command
    .option('--seed <text>', 'of everything that is left to chance; random where not given', readSeed)
    .option('--loss <percent>', 'of network events that fail', readLoss, defaults.loss)
    .option(
      '--power-cut <1/n>',
      'power cuts per operation on flash, on average; 0 for none',
      readPowerCut,
      defaults.powerCut,
    );
  if (!defaults.revisions) return;
  command.option(
    '--revisions <list>',
    `hardware revisions and their shares [${formatRevisions(DEFAULT_REVISIONS)}]`,
    parseRevisions,
  );
}

export function faultsOf({ loss, powerCut }: { loss: number; powerCut: number }): FaultRates {
  return loss === 0 && powerCut === 0 ? NO_FAULTS : { loss: loss / 100, powerCut };
}

/** The command that does the same again. */
export function replayLine(
  verbName: string,
  own: readonly string[],
  o: { seed: string; devices: number; loss: number; powerCut: number; revisions?: Revisions },
): string {
  const chance = ['--seed', o.seed, '--devices', String(o.devices)];
  const faults = ['--loss', String(o.loss), '--power-cut', o.powerCut > 0 ? `1/${o.powerCut}` : '0'];
  if (o.revisions) chance.push('--revisions', formatRevisions(o.revisions));
  return `replay: countersign ${[verbName, ...own, ...chance, ...faults].join(' ')}`;
}

export function readDevices(text: string): number {
  const count = readWhole(text);
  if (count < 1 || count > DEVICES_MAX) throw new InvalidArgumentError(`1 to ${DEVICES_MAX} devices.`);
  return count;
}

function readSeed(text: string): string {
  if (!/^[\w.-]{1,64}$/.test(text)) throw new InvalidArgumentError('a seed is 1 to 64 letters, digits, dots, dashes.');
  return text;
}

/** A share of messages, up to half of them. */
export function readLoss(text: string): number {
  const loss = Number(text.replace(/%$/, ''));
  if (!(loss >= 0 && loss <= 50)) throw new InvalidArgumentError('a loss is 0 to 50 percent.');
  return loss;
}

/** `1/400`, `400` or `0`. */
function readPowerCut(text: string): number {
  return readWhole(text.replace(/^1\//, ''));
}

function parseRevisions(text: string): Revisions {
  const revisions = readRevisions(text);
  if (!revisions) throw new InvalidArgumentError('revisions are written A:6,B:3,C:1.');
  return revisions;
}

/** Resolves with the first Ctrl-C or SIGTERM. */
export function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  }).then(() => undefined);
}
