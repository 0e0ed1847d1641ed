/** `countersign trial`: what it asks of the servers, runs, shows and signs. */
import { connect, connectAs, nextCommand, type PersonOptions } from '@countersign/broker/face/cli/connect';
import { note, type Outcome, WrongUse } from '@countersign/broker/face/cli/program';
import { short, table } from '@countersign/broker/face/cli/table';
import type { Session } from '@countersign/broker/face/client/session';
import {
  type Field,
  fieldOf,
  getTrial,
  submitTrial,
  type TrialMaterial,
  trialMaterial,
} from '@countersign/broker/face/client/trials';
import type { TrialOutcome, TrialRecord } from '@countersign/broker/ledger/contract/trial-args';
import type { TrialView } from '@countersign/broker/ledger/contract/views';
import { Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { findDescriptor } from '@countersign/device-sdk/rig';
import type { VirtualRates } from '../virtual/faults.ts';
import { profilesOf, profilesOfRecord } from './profiles.ts';
import { runTrial, type TrialKind } from './run.ts';

export interface TrialOptions extends PersonOptions {
  devices: number;
  seed?: string;
  hardware?: string[];
  loss: number;
  lie: number;
  powerCut: number;
  check?: boolean;
  dryRun?: boolean;
  verbose?: boolean;
}

export async function trial(name: string, options: TrialOptions): Promise<Outcome> {
  if (options.check) return again(name, options);
  // Who signs is known before the work begins.
  const unsigned = options.dryRun ? { session: await connect(options), signer: undefined } : undefined;
  const { session, signer } = unsigned ?? (await connectAs(options, ['tester', 'approver']));
  const material = await trialMaterial(session, name);
  const field = await fieldOf(session, material.product);
  const profiles = await profilesOf(session, material, field, options.devices, options.hardware);
  const { loss, lie, powerCut } = options;
  const rates = { loss: loss / 100, lie: lie / 100, powerCut };
  const seed = options.seed ?? material.release.releaseLeaf.slice(0, 16);
  const record = await run(session, material, profiles, seed, rates, options);
  const committed = signer && (await submitTrial(session, signer, record));
  const passed = record.profiles.every(({ outcomes }) => outcomes.every(({ code }) => code === 'OK'));
  const json = { ...jsonOf(record, material), passed, field, submitted: committed ?? null };
  return { json, text: textOf(record, material, field, committed?.leafIndex, options), ok: passed };
}

/** Another hand does the same again: what was signed must come out, to the last byte of the log. */
async function again(name: string, options: TrialOptions): Promise<Outcome> {
  if (options.dryRun || options.seed !== undefined) throw new WrongUse('--check takes everything from the record');
  const session = await connect(options);
  const material = await trialMaterial(session, name);
  const view = await getTrial(session, material.release);
  if (!view) throw new Refusal('NOT_FOUND', `release ${name} has no trial record`);
  const { lossPpm, liePpm, powerCut } = view.faults;
  const rates = { loss: lossPpm / 1e6, lie: liePpm / 1e6, powerCut };
  const record = await run(session, material, await profilesOfRecord(session, view), view.seed, rates, options);
  const differs = differencesOf(record, view);
  const text = differs.length === 0 ? `the same log, ${view.logDigest}` : differs.join('\n');
  const json = { ...jsonOf(record, material), signedBy: view.by, same: differs.length === 0, differs };
  return { json, text: `${table(HEAD, rowsOf(record, material))}\n\n${text}`, ok: differs.length === 0 };
}

function differencesOf(record: TrialRecord, view: TrialView): string[] {
  const differs: string[] = [];
  for (const [i, { hardware, outcomes, components = [] }] of record.profiles.entries()) {
    const known = view.profiles[i]!;
    const rows = [
      { of: '', said: known.outcomes, outcomes },
      ...components.map((one, at) => ({ of: ` of ${one.id}`, said: known.components?.[at]?.outcomes ?? {}, ...one })),
    ];
    for (const row of rows) {
      const signed = outcomesText(Object.entries(row.said));
      const found = outcomesText(pairsOf(row.outcomes));
      const text = `the record says${row.of} ${signed}, this run ${found}`;
      if (signed !== found) differs.push(`profile ${i + 1}, hardware ${hardware}: ${text}`);
    }
  }
  const log = hex(record.logDigest);
  if (log !== view.logDigest) differs.push(`the record's log is ${view.logDigest}, this run's is ${log}`);
  return differs;
}

async function run(
  { verifier }: Session,
  material: TrialMaterial,
  profiles: readonly TrialKind[],
  seed: string,
  rates: VirtualRates,
  { verbose }: TrialOptions,
): Promise<TrialRecord> {
  const devices = profiles.reduce((sum, profile) => sum + profile.devices, 0);
  note(`${devices} virtual devices of ${profiles.length} profiles, seed ${seed} …`);
  return runTrial({ verifier, ...material, profiles, seed, rates, line: verbose ? note : () => {} });
}

const HEAD = ['hardware', 'from', 'devices', 'updated', 'others'];

function rowsOf({ profiles }: TrialRecord, { product }: TrialMaterial): (string | number)[][] {
  return profiles.flatMap(({ hardware, baseDigest, devices, outcomes, components = [] }) => [
    [hardware, fromText(baseDigest, product.name), devices, ...endedText(outcomes)],
    ...components.map((one) => ['', `  ${one.id} ${fromText(one.baseDigest, one.id)}`, '', ...endedText(one.outcomes)]),
  ]);
}

function fromText(base: Uint8Array | null, name: string): string {
  return base ? short(hex(base)) : `another image of ${name}`;
}

function endedText(outcomes: readonly TrialOutcome[]): [number, string] {
  const updated = outcomes.find(({ code }) => code === 'OK')?.count ?? 0;
  const others = outcomes.filter(({ code }) => code !== 'OK');
  return [updated, others.length > 0 ? outcomesText(pairsOf(others)) : '-'];
}

function pairsOf(outcomes: readonly TrialOutcome[]): [string, number][] {
  return outcomes.map(({ code, count }) => [code, count]);
}

function outcomesText(outcomes: readonly (readonly [string, number])[]): string {
  return outcomes
    .map(([code, count]) => `${count} ${code}`)
    .sort()
    .join(', ');
}

/** The sentence that must stand under every trial: whoever reads "passed" must not read more into it. */
function limitsOf({ image, components = [] }: TrialMaterial): string {
  const without = [{ id: 'the image', image }, ...components].filter((one) => !findDescriptor(one.image));
  const tested =
    without.length === 0
      ? 'their self-test was read from a descriptor inside the image'
      : `${without.map(({ id }) => id).join(' and ')} has no descriptor, so its self-test passed everywhere`;
  return `Nothing executed the image: ${tested}. What it does on real hardware, only real hardware can show.`;
}

function jsonOf(record: TrialRecord, material: TrialMaterial) {
  const { release, product } = material;
  const { seed, faults, profiles, logDigest, sequence } = record;
  return {
    ...{ releaseLeaf: release.releaseLeaf, product: product.name, version: release.version, sequence, seed, faults },
    profiles: profiles.map(({ hardware, baseDigest, devices, outcomes, components }) => ({
      ...{ hardware, baseDigest: baseDigest && hex(baseDigest), devices },
      outcomes: Object.fromEntries(pairsOf(outcomes)),
      ...(components && {
        components: components.map((one) => ({
          ...{ id: one.id, baseDigest: one.baseDigest && hex(one.baseDigest) },
          outcomes: Object.fromEntries(pairsOf(one.outcomes)),
        })),
      }),
    })),
    logDigest: hex(logDigest),
    limits: limitsOf(material),
  };
}

function textOf(
  record: TrialRecord,
  material: TrialMaterial,
  field: Field,
  leafIndex: number | undefined,
  options: TrialOptions,
): string {
  const { release, product } = material;
  const again = nextCommand(options, `trial ${short(release.releaseLeaf)} --check`);
  const unknown = field.unknown > 0 ? [`${field.unknown} of ${field.devices} devices have not said what they run`] : [];
  return [
    `trial of ${product.name} ${release.version}, seed ${record.seed}`,
    '',
    table(HEAD, rowsOf(record, material)),
    '',
    ...unknown,
    limitsOf(material),
    `log ${hex(record.logDigest)}`,
    leafIndex === undefined ? 'not sent' : `entry ${leafIndex}; anybody repeats it with  ${again}`,
  ].join('\n');
}
