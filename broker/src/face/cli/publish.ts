import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { componentsOf } from '../../collection/components.ts';
import { checkLabels, checkOrder, type ReleaseOrder } from '../../collection/order.ts';
import type { ProductView, ReleaseView } from '../../ledger/contract/views.ts';
import type { FleetApplies } from '../../passport/fleet.ts';
import type { CommittedView } from '../api/views.ts';
import { fleetAppliesIfKnown } from '../client/fleet-applies.ts';
import {
  approve,
  getProduct,
  getRelease,
  type Published,
  publish,
  reject,
  waitForRelease,
} from '../client/releases.ts';
import type { Session } from '../client/session.ts';
import {
  connect,
  connectAs,
  nextCommand,
  type PersonOptions,
  personOptions,
  readComponents,
  readInput,
  type ServerOptions,
  serverOptions,
} from './connect.ts';
import { fleetAppliesText } from './fleet-applies.ts';
import { type NewProductOptions, newProductOf, newProductOptions, registerNew } from './new-product.ts';
import { note, verb } from './program.ts';
import { short, table } from './table.ts';
import { collectFiles } from './values.ts';

/** An approval is confirmed within a second; a collection server that starts anew needs some. */
export const CONFIRM_MS_MAX = 60_000;

interface PublishOptions extends PersonOptions, NewProductOptions {
  version: string;
  optional?: boolean;
  log: boolean;
  reboot: boolean;
  downgrade?: boolean;
  bases?: string;
  fileName?: string;
  wait?: boolean;
  component?: Record<string, string>;
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
    .option('--component <id=file>', 'the image of a further component of the product; repeat for more', collectFiles)
    .option('--file-name <name>', "name on the record, instead of the image's own")
    .option('--wait', 'wait until somebody has approved it and it is confirmed');
  newProductOptions(command);
  verb(command, async (path: string, options: PublishOptions) => {
    // What this command can see by itself comes first: before a key is opened, and before a product has its name for good.
    const order = orderOf(path, options);
    checkLabels(order);
    const image = await readInput(path);
    const components = await readComponents(options.component);
    const product = options.newProduct ? newProductOf(options, image.length) : undefined;
    if (product) {
      checkOrder(image, order, product);
      componentsOf(product, image, components);
    }
    const { session, signer } = await connectAs(options, ['engineer']);
    if (product) await registerNew(session, signer, product);
    else await getProduct(session, options.product);
    const bytes = [image, ...Object.values(components)].reduce((sum, { length }) => sum + length, 0);
    note(`making and trying deltas for ${options.product} ${options.version} (${bytes} bytes) …`);
    const done = await publish(session, signer, image, order, components).catch((error) => {
      // What the server alone finds out (a trial, a queue) comes too late: the record takes nothing back.
      if (product) note(`product ${product.name} stays on the record; the same command again goes on with it`);
      throw error;
    });
    if (options.wait) {
      note('waiting for the approval …');
      done.release = await waitForRelease(session, done.release.releaseLeaf, 'confirmed', WAIT_MS);
    }
    const applies = await appliesNow(session, done);
    const text = publishedText(done, image.length, options, applies);
    return { json: { ...publishedJson(done, image.length), applies }, text };
  });
}

/** The release is on the record: that nobody counted for whom it is changes nothing of it. */
async function appliesNow(session: Session, { release }: Published): Promise<FleetApplies | null> {
  try {
    return await fleetAppliesIfKnown(session, release.releaseLeaf);
  } catch (error) {
    note(`published, and not counted to how many devices it applies: ${(error as Error).message}`);
    return null;
  }
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

function publishedJson(done: Published, imageBytes: number) {
  const { releaseLeaf, version, sequence, state, imageDigest, contentId, product, components } = done.release;
  const { branches, dropped, leafIndex, leafHash } = done;
  const release = { releaseLeaf, product, version, sequence, state, imageDigest, imageBytes, contentId, components };
  return { ...release, branches, dropped, leafIndex, leafHash };
}

function publishedText(
  done: Published,
  imageBytes: number,
  options: ServerOptions,
  applies: FleetApplies | null,
): string {
  const { release, branches, dropped } = done;
  const several = release.components !== undefined;
  const rows = branches.map((b) => [
    ...(several ? [b.component ?? 'app'] : []),
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
    ...(release.components ?? []).map(
      ({ id, imageBytes: size, imageDigest }) => `with ${id}, ${size} bytes, ${short(imageDigest)}`,
    ),
    table(
      [...(several ? ['component'] : []), 'from', 'bytes', 'of image', 'workspace', 'power cuts survived', 'made in'],
      rows,
    ),
    ...dropped.map(
      ({ component, base, reason }) => `no delta from ${base}${component ? ` of ${component}` : ''}: ${reason}`,
    ),
    ...(applies && applies.devices > 0 ? [fleetAppliesText(applies)] : []),
    '',
    release.state === 'uploaded'
      ? `next: a second person runs  ${nextCommand(options, `approve ${short(release.releaseLeaf)}`)}`
      : `next: an operator runs  ${nextCommand(options, `rollout open ${short(release.releaseLeaf)}`)}`,
  ].join('\n');
}

interface ApproveOptions extends PersonOptions {
  wait?: boolean;
  image?: string;
  component?: Record<string, string>;
}

function approveVerb(program: Command): void {
  const command = personOptions(
    program
      .command('approve <release>')
      .description('approve a release: its leaf hash, 8 or more digits, or PRODUCT@VERSION'),
  )
    .option('--image <file>', 'approve only if the release names exactly this file')
    .option('--component <id=file>', 'and this one of a further component; repeat for more', collectFiles)
    .option('--wait', 'wait until it is confirmed');
  verb(command, async (name: string, options: ApproveOptions) => {
    const { session, signer } = await connectAs(options, ['approver']);
    const { releaseLeaf } = await getRelease(session, name);
    const image = options.image === undefined ? undefined : await readInput(options.image);
    const committed = await approve(session, signer, releaseLeaf, image, await readComponents(options.component));
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
    const products = (await api.get('/api/v1/products')) as ProductView[];
    const needed = new Map(products.map(({ classId, approvals }) => [classId, approvals]));
    const rows = releases.map((r) => [
      r.product,
      r.version,
      r.sequence,
      r.state,
      short(r.releaseLeaf),
      r.imageBytes,
      r.deployer,
      `${r.approvals.length} of ${needed.get(r.classId) ?? 1}`,
    ]);
    return {
      json: releases.map((r) => ({ ...r, approvalsNeeded: needed.get(r.classId) ?? 1 })),
      text: table(['product', 'version', 'sequence', 'state', 'release', 'bytes', 'uploaded by', 'approvals'], rows),
    };
  });
}
