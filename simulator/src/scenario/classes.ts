/**
 * The demo's other product classes, from the smallest memory to a gateway's: each has a fleet of its own, which takes one
 * update by a delta that the collection server made for its class.
 */
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { getRelease, registerProduct } from '@countersign/broker/face/client/releases';
import type { Session } from '@countersign/broker/face/client/session';
import { predictorOf } from '@countersign/broker/face/up/samples';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { demand } from '@countersign/device-sdk';
import { FRAME_BYTES, type MemoryClass } from '@countersign/device-sdk/format';
import { samples, vendorDomain } from '@countersign/firmware-samples';
import type { FaultRates } from '../fleet/faults.ts';
import type { Revisions } from '../fleet/profile.ts';
import type { Goal } from '../fleet/tally.ts';
import type { ClassRow } from '../report/outcome.ts';
import type { Enrollable, FleetHandlers, Revert, Server } from './fleet-process.ts';
import { open, type People, release } from './people.ts';
import type { Child } from './rpc.ts';

interface ClassProduct {
  product: string;
  memoryClass: MemoryClass;
  /** The sample product whose program it runs. */
  sampleOf: string;
  from: string;
  to: string;
  slotBytes: number;
  /** `up` has published its first release. */
  isThere?: boolean;
}

/** M, XL and G run one program under three names, so that their deltas can be compared. */
const PRODUCTS: readonly ClassProduct[] = [
  product('valve-controller', 'S', 'valve-controller', '2.0.0', '2.0.1', 114_688, true),
  product('pump-monitor', 'M', 'pump-monitor', '3.0.0', '3.1.0', 65_536),
  product('flow-monitor', 'XL', 'pump-monitor', '3.0.0', '3.1.0', 65_536),
  product('site-gateway', 'G', 'pump-monitor', '3.0.0', '3.1.0', 65_536),
];
export const OTHER_PRODUCTS = PRODUCTS.length;

/** One device in twenty is of each other product; at least one. */
export function othersOf(devices: number): number {
  return Math.max(1, Math.floor(devices / 20));
}

/** What the story says about the main fleet is said here about a product: who arrived, who went back. */
export interface Through {
  updated: number;
  reverts: Revert[];
}

export interface ClassedFleets {
  told: { row: ClassRow; through: Through }[];
  /** What each fleet is meant to run at the end. */
  goals: Record<string, Goal>;
}

interface Parts {
  options: { seed: string; devices: number; revisions: Revisions; faults: FaultRates; verbose: boolean };
  session: Session;
  people: People;
  fleet: Child<FleetHandlers>;
  server: Server;
  through(product: string, sequence: number, numbers: readonly number[]): Promise<Through>;
}

export async function classedFleets(parts: Parts): Promise<ClassedFleets> {
  const { session, people } = parts;
  await twoByTwo(PRODUCTS, (one) => firstRelease(parts, one));
  const made = await Promise.all(PRODUCTS.map((one) => manufacture(parts, one)));
  const updates = await twoByTwo(PRODUCTS, ({ product: name, to, sampleOf }) => {
    return release(session, people, name, to, sampleOf);
  });
  const wish = { waves: [{ percent: 100, failurePercentMax: 100 }], jitterSeconds: 0 };
  await Promise.all(updates.map(({ releaseLeaf }) => open(session, people, releaseLeaf, wish)));
  const told: ClassedFleets['told'] = [];
  for (const [i, one] of PRODUCTS.entries()) told.push(await watch(parts, one, made[i]!, updates[i]!));
  const goals = updates.map(({ product: name, sequence }) => [name, { sequence, open: true }] as const);
  return { told, goals: Object.fromEntries(goals) };
}

/** A collection server prepares two releases at once and answers BUSY to a third. */
async function twoByTwo<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < items.length; i += 2) done.push(...(await Promise.all(items.slice(i, i + 2).map(work))));
  return done;
}

async function firstRelease({ session, people }: Parts, one: ClassProduct): Promise<void> {
  if (one.isThere) return;
  const sample = samples.find(({ product: name, version }) => name === one.sampleOf && version === one.from)!;
  const { product: name, memoryClass, slotBytes } = one;
  await registerProduct(session, people.engineer, {
    ...{ vendorDomain, name, memoryClass, slotBytes, frameBytes: FRAME_BYTES[memoryClass] },
    ...{ imageBase: sample.imageBase, cpu: predictorOf(sample.cpu) },
  });
  await release(session, people, name, one.from, one.sampleOf);
}

async function manufacture({ session, people, fleet, server, options }: Parts, one: ClassProduct): Promise<number[]> {
  const { product: name, from } = one;
  const { call } = fleet;
  const made = await call.make({ ...options, seed: `${options.seed}/${name}`, product: name });
  const devices = made.map(({ id, alg, publicKey, revision }: Enrollable) => {
    return { id, key: { alg, bytes: publicKey }, labels: { hw: revision } };
  });
  await enrolDevices(session, people.operator, name, devices);
  await call.build({ server, product: name, version: from });
  const numbers = made.map(({ number }) => number);
  await call.switchOn({ product: name, numbers });
  return numbers;
}

async function watch(parts: Parts, one: ClassProduct, numbers: readonly number[], to: ReleaseView) {
  const { call } = parts.fleet;
  const through = await parts.through(one.product, to.sequence, numbers);
  const fetched = await call.fetched({ product: one.product, numbers: [...numbers] });
  const from = await getRelease(parts.session, `${one.product}@${one.from}`);
  const row = rowOf(one.memoryClass, from, to, { devices: through.updated, of: numbers.length, fetched });
  return { row, through };
}

/** @param measured devices that run it, devices that fetched, and what these fetched together */
export function rowOf(
  memoryClass: MemoryClass,
  from: ReleaseView,
  to: ReleaseView,
  measured: { devices: number; of: number; fetched: number },
): ClassRow {
  const bytesOf = (base: string | null) => to.branches.find(({ baseDigest }) => baseDigest === base)?.payloadBytes;
  const [fullBytes, deltaBytes] = [bytesOf(null), bytesOf(from.imageDigest)];
  demand(
    fullBytes !== undefined && deltaBytes !== undefined,
    'NOT_FOUND',
    `${to.version} has no delta from ${from.version}`,
  );
  return {
    class: memoryClass,
    product: to.product,
    ...{ from: from.version, to: to.version, imageBytes: to.imageBytes, fullBytes, deltaBytes },
    devices: measured.devices,
    fetchedBytes: Math.round(measured.fetched / Math.max(1, measured.of)),
  };
}

function product(
  name: string,
  memoryClass: MemoryClass,
  sampleOf: string,
  from: string,
  to: string,
  slotBytes: number,
  isThere = false,
): ClassProduct {
  return { product: name, memoryClass, sampleOf, from, to, slotBytes, isThere };
}
