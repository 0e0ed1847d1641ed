/** To how many devices of its class a release applies, by their passports and reports: for whoever plans a rollout. */
import { type Code, codeOf, demand, Refusal } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import type { DeviceView, PassportView, ProductView, ReleaseView } from '../ledger/contract/views.ts';
import { type Applies, type Facts, judgeRelease } from './applies.ts';
import { checkNamed, type DeskParts, factsOfClass } from './desk.ts';
import { type Passport, readPassport } from './passport.ts';

/**
 * Each is a file here, or a request to the collection server, and a plan must not take minutes: so many files take 1.2 s
 * (2 busy cores). Devices under their class's passport share one: 100,000 of them take 0.24 s.
 */
const DOCUMENTS_MAX = 2_000;

export interface FleetApplies {
  releaseLeaf: string;
  /** Enrolled devices of the class: those to which it applies, refused, without a passport and unread together. */
  devices: number;
  applies: number;
  /** By code, the most devices first; the reason is that of one of them. */
  refused: { code: Code; devices: number; reason: string }[];
  /** Neither its own nor its class's. */
  withoutPassport: number;
  /** The document is not there, is not the one of the record, or is beyond the 2,000 that are looked at. */
  unread: number;
}

/**
 * @param release one that nobody has confirmed yet is judged as if it were confirmed now
 * @throws Refusal NOT_APPROVED for a rejected one; TOO_LARGE, UNREACHABLE as the ledger's answers
 */
export async function appliesToFleet(parts: DeskParts, release: ReleaseView): Promise<FleetApplies> {
  const { ledger } = parts;
  const { releaseLeaf, classId } = release;
  const devices = ((await ledger.evaluate('listDevices', classId)) as DeviceView[]).filter(
    ({ state }) => state === 'enrolled',
  );
  const passports = await passportsOf(ledger, classId);
  const open = opener(parts);
  const judge = await judgeOf(ledger, release);
  const found: FleetApplies = {
    ...{ releaseLeaf, devices: devices.length, applies: 0, refused: [], withoutPassport: 0, unread: 0 },
  };
  const refused = new Map<Code, FleetApplies['refused'][number]>();
  for (const device of devices) {
    const view = passports.get(`device ${device.deviceId}`) ?? passports.get(`product ${classId}`);
    const passport = view && (await open(view));
    if (!view) found.withoutPassport++;
    else if (!passport) found.unread++;
    else count(judge(view, passport, device));
  }
  return { ...found, refused: [...refused.values()].sort((a, b) => b.devices - a.devices) };

  function count({ code, reason }: Pick<Applies, 'code' | 'reason'>): void {
    if (code === 'OK') {
      found.applies++;
      return;
    }
    const row = refused.get(code) ?? { code, devices: 0, reason };
    refused.set(code, { ...row, devices: row.devices + 1 });
  }
}

/** Of devices that have a passport it applies to none: whoever opens a rollout of it is asked whether he means it. */
export function appliesToNone({ applies, refused }: FleetApplies): boolean {
  return applies === 0 && refused.length > 0;
}

/** @throws Refusal with the code that most devices have, where it applies to none of those that have a passport */
export function demandApplies(found: FleetApplies): void {
  const [most] = found.refused;
  if (!most || !appliesToNone(found)) return;
  const codes = found.refused.map(({ code, devices }) => `${code} ${devices}`).join(', ');
  throw new Refusal(
    most.code,
    `the release applies to no device that has a passport (${codes}), for instance: ${most.reason}`,
  );
}

/** By kind and id. */
async function passportsOf(ledger: LedgerClient, classId: string): Promise<Map<string, PassportView>> {
  const views = (await ledger.evaluate('listPassports', classId)) as PassportView[];
  return new Map(views.map((view) => [`${view.subject} ${view.id}`, view]));
}

/** Reads each document once. One that is missing or damaged is the operator's to renew, and stops no other. */
function opener({ blobs }: DeskParts): (view: PassportView) => Promise<Passport | undefined> {
  const read = new Map<string, Passport | undefined>();
  return async (view) => {
    if (!read.has(view.digest)) {
      if (read.size >= DOCUMENTS_MAX) return undefined;
      read.set(view.digest, await document(view));
    }
    return read.get(view.digest);
  };

  async function document(view: PassportView): Promise<Passport | undefined> {
    try {
      const passport = readPassport(await blobs.blob(unhex(view.digest)!));
      checkNamed(passport, view);
      return passport;
    } catch (error) {
      if (codeOf(error) === 'INTERNAL') throw error;
      return undefined;
    }
  }
}

type Judge = (view: PassportView, passport: Passport, device: DeviceView) => Pick<Applies, 'code' | 'reason'>;

/** Devices of one passport that report the same are judged once: a large fleet has few of these pairs. */
async function judgeOf(ledger: LedgerClient, release: ReleaseView): Promise<Judge> {
  const facts = asConfirmed(await factsOfClass(ledger, release.classId, release.releaseLeaf), release);
  const known = new Map<string, Pick<Applies, 'code' | 'reason'>>();
  return (view, passport, device) => {
    const components = (device.components ?? []).map(({ id, digest }) => `${id} ${digest}`);
    const key = [view.digest, device.slotDigest, ...components].join(' ');
    const verdict = known.get(key) ?? judgeRelease({ ...facts, passport, device }, release.releaseLeaf);
    known.set(key, verdict);
    return verdict;
  };
}

type ClassFacts = Omit<Facts, 'passport' | 'device'>;

function asConfirmed(facts: ClassFacts, { releaseLeaf, version, sequence, state }: ReleaseView): ClassFacts {
  if (state === 'confirmed') return facts;
  demand(state !== 'rejected', 'NOT_APPROVED', `${version} was rejected`);
  const product: ProductView = { ...facts.product, head: releaseLeaf, sequence };
  const releases = facts.releases.map((release) =>
    release.releaseLeaf === releaseLeaf ? { ...release, state: 'confirmed' as const } : release,
  );
  return { ...facts, product, releases };
}
