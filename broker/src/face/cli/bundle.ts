import { hex } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import type { Command } from 'commander';
import type { Made } from '../client/bundle.ts';
import { connect, readInput, type ServerOptions, serverOptions } from './connect.ts';
import { type Outcome, verb, WrongUse } from './program.ts';
import { table } from './table.ts';

interface MakeOptions extends ServerOptions {
  release?: string;
  from?: string;
  out?: string;
  full: boolean;
}

/** `bundle`, `bundle info`: the network in one file, to be carried. */
export function bundleVerbs(program: Command): void {
  const bundle = serverOptions(
    program.command('bundle').description('write all that devices would ask the network for into one file'),
  )
    .option('--release <release>', 'PRODUCT@VERSION or the id of the release that is rolled out')
    .option('--from <release>', 'the oldest release that a device may run; without it the first one')
    .option('--no-full', 'leave the whole image out: deltas alone')
    .option('--out <file>', 'where to write it');
  verb(bundle, async (o) => make(o as MakeOptions));

  const info = bundle
    .command('info <file>')
    .description('what a bundle brings, and whether it holds together')
    .option('--trust <file>', 'a trust root that you have from elsewhere: says whether the bundle goes on from it');
  verb(info, async (file, o) => {
    const { inspectBundle } = await import('../client/bundle.ts');
    const { trust } = o as { trust?: string };
    const made = inspectBundle(nodeVerifier(), file as string, trust ? await readInput(trust) : undefined);
    return told(file as string, made, trust !== undefined);
  });
}

async function make({ release, out, ...o }: MakeOptions): Promise<Outcome> {
  const missing = [...(release ? [] : ['--release PRODUCT@VERSION']), ...(out ? [] : ['--out FILE'])];
  if (!release || !out) throw new WrongUse(`a bundle needs ${missing.join(' and ')}`);
  const { makeBundle } = await import('../client/bundle.ts');
  const order = { release, full: o.full, from: o.from };
  return told(out, await makeBundle(await connect(o), order, out), false);
}

/** @param trusted whether a trust root from elsewhere was given */
function told(file: string, { head, bytes, checked }: Made, trusted: boolean): Outcome {
  const { proven, root, anchored, branches, cosignatures } = checked;
  const ageSeconds = Math.max(0, Math.floor(Date.now() / 1000) - proven.head.time);
  const json = {
    file,
    bytes,
    origin: head.origin,
    classId: hex(head.classId),
    version: head.version,
    sequence: head.sequence,
    branches: `${branches.here} of ${branches.of}`,
    rootVersion: root.root.version,
    logFrom: head.growth?.from ?? null,
    logSize: proven.head.size,
    cosignatures,
    issuedKeys: head.issued?.length ?? 0,
    ageSeconds,
    /** A device with a clock takes it until then. */
    freshUntil: new Date((proven.head.time + root.root.headAgeMax) * 1000).toISOString(),
    fresh: ageSeconds <= root.root.headAgeMax,
    anchored,
  };
  return {
    json,
    text: table(
      ['what', 'value'],
      [
        ['file', file],
        ['bytes', String(bytes)],
        ['ledger', json.origin],
        ['class', json.classId],
        ['version', json.version],
        ['sequence', String(json.sequence)],
        ['payloads held', json.branches],
        ['trust root', String(json.rootVersion)],
        ['log', json.logFrom === null ? `${json.logSize} entries` : `from ${json.logFrom} to ${json.logSize} entries`],
        ['cosignatures', String(cosignatures)],
        ['issued keys on record', String(json.issuedKeys)],
        ['head age', `${ageSeconds} s`],
        ['fresh until', `${json.freshUntil}${json.fresh ? '' : ', which is over'}`],
        [
          'goes on from your trust root',
          anchored ? 'yes' : trusted ? 'no' : `ask  countersign bundle info ${file} --trust FILE`,
        ],
      ],
    ),
  };
}
