import { basename } from 'node:path';
import { codeOf, demand } from '@countersign/device-sdk';
import { PREDICTOR_NAMES, type PredictorName } from '@countersign/device-sdk/delta/model';
import { FRAME_BYTES, MEMORY_CLASSES, type MemoryClass } from '@countersign/device-sdk/format';
import { type Command, Option } from 'commander';
import type { ReleaseOrder } from '../../collection/order.ts';
import type { Product } from '../../ledger/contract/args.ts';
import type { ProductView, ReleaseView } from '../../ledger/contract/views.ts';
import type { CommittedView } from '../api/views.ts';
import {
  approve,
  getProduct,
  getRelease,
  type Published,
  publish,
  registerProduct,
  reject,
  waitForRelease,
} from '../client/releases.ts';
import {
  connect,
  connectAs,
  nextCommand,
  type PersonOptions,
  personOptions,
  readInput,
  type ServerOptions,
  serverOptions,
} from './connect.ts';
import { note, verb, WrongUse } from './program.ts';
import { short, table } from './table.ts';
import { readAddress, readPage, readWhole } from './values.ts';

/** An approval is confirmed within a second; a collection server that starts anew needs some. */
export const CONFIRM_MS_MAX = 60_000;

interface PublishOptions extends PersonOptions {
  product: string;
  version: string;
  optional?: boolean;
  log: boolean;
  reboot: boolean;
  downgrade?: boolean;
  bases?: string;
  fileName?: string;
  newProduct?: boolean;
  vendor?: string;
  memoryClass?: MemoryClass;
  slotBytes?: number;
  frameBytes?: number;
  imageBase?: number;
  cpu?: PredictorName;
  slots?: '1' | '2';
  pageBytes?: number;
  stagingBytes?: number;
  wait?: boolean;
}

/** `publish`, `approve`, `reject`, `releases`. */
export function releaseVerbs(program: Command): void {
  publishVerb(program);
  approveVerb(program);
  rejectVerb(program);
  releasesVerb(program);
}

function publishVerb(program: Command): void {
  const command = personOptions(
    program.command('publish <image>').description('make and try deltas, have them signed, and upload a release'),
  )
    .requiredOption('--product <name>', 'product name or class id')
    .requiredOption('--version <label>', 'label for people; order is the sequence number alone')
    .addOption(new Option('--mandatory', 'devices install it without asking (default)').conflicts('optional'))
    .option('--optional', 'devices may put it off')
    .option('--reboot', 'devices reboot into it at once (default)', true)
    .option('--no-reboot', 'devices wait for their next reboot')
    .option('--log', 'devices report every stage (default)', true)
    .option('--no-log', 'devices report the outcome alone')
    .option('--downgrade', 'old bytes as a new release: the one way back')
    .option('--bases <versions>', 'versions to make deltas from, comma separated, instead of those in the field')
    .option('--file-name <name>', "name on the record, instead of the image's own")
    .option('--wait', 'wait until somebody has approved it and it is confirmed')
    .option('--new-product', 'register the product first; needs --vendor, --memory-class and --slot-bytes')
    .option('--vendor <domain>', 'vendor domain of a new product, such as example.com')
    .addOption(new Option('--memory-class <class>', 'memory class of a new product').choices(MEMORY_CLASSES))
    .option('--slot-bytes <n>', 'slot size of a new product', readWhole)
    .option(
      '--frame-bytes <n>',
      'payload bytes of a frame of a new product, 256 to 4096; by default as its class',
      readWhole,
    )
    .option(
      '--image-base <n>',
      "address of a new product's images in memory (0x… allowed); 0, the default: found",
      readAddress,
    )
    .addOption(
      new Option('--cpu <name>', 'instruction set of a new product; found if left out').choices(PREDICTOR_NAMES),
    )
    .addOption(
      new Option('--slots <n>', 'image slots of a new product; 1 needs --page-bytes and --staging-bytes [2]').choices([
        '1',
        '2',
      ]),
    )
    .option('--page-bytes <n>', 'with one slot: bytes written at once, a power of two from 4096 on', readPage)
    .option('--staging-bytes <n>', 'with one slot: flash that holds a release before it is written', readWhole);
  verb(command, async (path: string, options: PublishOptions) => {
    const image = await readInput(path);
    const { session, signer } = await connectAs(options, ['engineer']);
    if (options.newProduct) await registerNew(session, signer, options, image.length);
    note(`making and trying deltas for ${options.product} ${options.version} (${image.length} bytes) …`);
    const done = await publish(session, signer, image, orderOf(path, options));
    if (options.wait) {
      note('waiting for the approval …');
      done.release = await waitForRelease(session, done.release.releaseLeaf, 'confirmed', WAIT_MS);
    }
    return { json: publishedJson(done, image.length), text: publishedText(done, image.length, options) };
  });
}

/** People take their time; a script that waits longer is better served by asking again. */
const WAIT_MS = 24 * 3_600_000;

function orderOf(path: string, o: PublishOptions): ReleaseOrder {
  return {
    product: o.product,
    version: o.version,
    fileName: o.fileName ?? basename(path),
    policy: { mandatory: !o.optional, log: o.log, reboot: o.reboot, downgrade: o.downgrade ?? false },
    ...(o.bases === undefined ? {} : { bases: o.bases.split(',') }),
  };
}

async function registerNew(
  session: Parameters<typeof registerProduct>[0],
  signer: Parameters<typeof registerProduct>[1],
  o: PublishOptions,
  imageBytes: number,
): Promise<void> {
  const { vendor, memoryClass, slotBytes } = o;
  if (vendor === undefined || memoryClass === undefined || slotBytes === undefined) {
    throw new WrongUse('--new-product needs --vendor, --memory-class and --slot-bytes');
  }
  // A product's slot stays for good: a size that does not even hold this image was a mistake.
  demand(imageBytes <= slotBytes, 'NO_SPACE', `the image has ${imageBytes} bytes, --slot-bytes are ${slotBytes}`);
  const frameBytes = o.frameBytes ?? FRAME_BYTES[memoryClass];
  const imageBase = o.imageBase ?? 0;
  const product = {
    vendorDomain: vendor,
    name: o.product,
    memoryClass,
    frameBytes,
    slotBytes,
    imageBase,
    cpu: o.cpu,
    oneSlot: oneSlotOf(o),
  };
  try {
    await registerProduct(session, signer, product);
    note(`registered product ${o.product} of ${vendor}`);
  } catch (error) {
    if (codeOf(error) !== 'EXISTS') throw error;
    checkSame(await getProduct(session, o.product), product);
    note(`product ${o.product} of ${vendor} is registered already`);
  }
}

function oneSlotOf({ slots, pageBytes, stagingBytes }: PublishOptions): Product['oneSlot'] {
  if (slots === '1' && pageBytes !== undefined && stagingBytes !== undefined) return { pageBytes, stagingBytes };
  const named = slots === '1' || pageBytes !== undefined || stagingBytes !== undefined;
  if (named) throw new WrongUse('--slots 1, --page-bytes and --staging-bytes go together');
  return undefined;
}

/** What was registered stays; other words about it must not pass as if they had counted. */
function checkSame(known: ProductView, asked: Product): void {
  const flat = ({ oneSlot, ...fields }: Product | ProductView) => ({
    ...fields,
    pageBytes: oneSlot?.pageBytes,
    stagingBytes: oneSlot?.stagingBytes,
  });
  const [was, now] = [flat(known), flat(asked)];
  const fields = ['vendorDomain', 'memoryClass', 'slotBytes', 'frameBytes', 'imageBase', 'cpu'] as const;
  for (const field of [...fields, 'pageBytes', 'stagingBytes'] as const) {
    const [before, after] = [was[field] ?? 'left out', now[field] ?? 'left out'];
    const text = `${known.name} is registered with ${field} ${before}, not ${after}; it stays so: choose another name`;
    demand(before === after, 'EXISTS', text);
  }
}

function publishedJson(done: Published, imageBytes: number) {
  const { releaseLeaf, version, sequence, state, imageDigest, contentId, product } = done.release;
  const { branches, dropped, leafIndex, leafHash } = done;
  const release = { releaseLeaf, product, version, sequence, state, imageDigest, imageBytes, contentId };
  return { ...release, branches, dropped, leafIndex, leafHash };
}

function publishedText(done: Published, imageBytes: number, options: ServerOptions): string {
  const { release, branches, dropped } = done;
  const rows = branches.map((b) => [
    b.base ?? 'any (full image)',
    b.bytes,
    `${b.percent.toFixed(1)} %`,
    b.workspaceBytes,
    b.trial.cuts,
    `${b.seconds.toFixed(1)} s`,
  ]);
  return [
    `${release.product} ${release.version}, sequence ${release.sequence}, ${imageBytes} bytes, ${release.state}`,
    `release ${release.releaseLeaf}`,
    '',
    table(['from', 'bytes', 'of image', 'workspace', 'power cuts survived', 'made in'], rows),
    ...dropped.map(({ base, reason }) => `no delta from ${base}: ${reason}`),
    '',
    release.state === 'uploaded'
      ? `next: a second person runs  ${nextCommand(options, `approve ${short(release.releaseLeaf)}`)}`
      : `next: an operator runs  ${nextCommand(options, `rollout open ${short(release.releaseLeaf)}`)}`,
  ].join('\n');
}

function approveVerb(program: Command): void {
  const command = personOptions(
    program
      .command('approve <release>')
      .description('approve a release: its leaf hash, 8 or more digits, or PRODUCT@VERSION'),
  )
    .option('--image <file>', 'approve only if the release names exactly this file')
    .option('--wait', 'wait until it is confirmed');
  verb(command, async (name: string, options: PersonOptions & { wait?: boolean; image?: string }) => {
    const { session, signer } = await connectAs(options, ['approver']);
    const { releaseLeaf } = await getRelease(session, name);
    const image = options.image === undefined ? undefined : await readInput(options.image);
    const committed = await approve(session, signer, releaseLeaf, image);
    return decided(session, releaseLeaf, committed, options);
  });
}

function rejectVerb(program: Command): void {
  const command = personOptions(
    program.command('reject <release>').description('reject a release that is not confirmed yet'),
  ).requiredOption('--reason <text>', 'why; it stays on the record');
  verb(command, async (name: string, options: PersonOptions & { reason: string }) => {
    const { session, signer } = await connectAs(options, ['approver']);
    const { releaseLeaf } = await getRelease(session, name);
    return decided(session, releaseLeaf, await reject(session, signer, releaseLeaf, options.reason), options);
  });
}

async function decided(
  session: Parameters<typeof getRelease>[0],
  leaf: string,
  committed: CommittedView,
  options: ServerOptions & { wait?: boolean },
) {
  const release = options.wait
    ? await waitForRelease(session, leaf, 'confirmed', CONFIRM_MS_MAX)
    : await getRelease(session, leaf);
  const { releaseLeaf, product, version, sequence, state, approvals, rejectedBy } = release;
  const json = { releaseLeaf, product, version, sequence, state, approvals, rejectedBy, ...committed };
  const who = rejectedBy ? `rejected by ${rejectedBy}` : `approved by ${approvals.join(', ')}`;
  return { json, text: `${product} ${version}: ${who}, entry ${committed.leafIndex}${nextText(release, options)}` };
}

function nextText({ product, version, state }: ReleaseView, options: ServerOptions): string {
  if (state !== 'approved' && state !== 'confirmed') return '';
  const soon = state === 'approved' ? '; the collection server confirms it at once' : '; confirmed';
  return `${soon}\nnext: an operator runs  ${nextCommand(options, `rollout open ${product}@${version}`)}`;
}

function releasesVerb(program: Command): void {
  const command = serverOptions(program.command('releases').description('list releases')).option(
    '--product <name>',
    'of one product',
  );
  verb(command, async (options: ServerOptions & { product?: string }) => {
    const { api } = await connect(options);
    const releases = (await api.get('/api/v1/releases', { product: options.product })) as Awaited<
      ReturnType<typeof getRelease>
    >[];
    const rows = releases.map((r) => [
      r.product,
      r.version,
      r.sequence,
      r.state,
      short(r.releaseLeaf),
      r.imageBytes,
      r.deployer,
    ]);
    return {
      json: releases,
      text: table(['product', 'version', 'sequence', 'state', 'release', 'bytes', 'uploaded by'], rows),
    };
  });
}
