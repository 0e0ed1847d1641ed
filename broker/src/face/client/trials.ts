/** What a trial needs of the servers, every byte of it checked against the name it goes by, and the record's way back. */
import { codeOf, demand } from '@countersign/device-sdk';
import {
  allComponents,
  hex,
  type PublicKey,
  readBlock1,
  readManifest,
  readSignedRoot,
  type Signer,
  unhex,
} from '@countersign/device-sdk/format';
import { checkSign1, listedKey } from '@countersign/device-sdk/verify';
import { objectDigest } from '../../ledger/contract/args.ts';
import { type TrialRecord, trialArgs } from '../../ledger/contract/trial-args.ts';
import type { DeviceView, ProductView, ReleaseView, TrialView } from '../../ledger/contract/views.ts';
import { cutFrames } from '../../store/payload-file.ts';
import type { DeviceNotes } from '../api/device-json.ts';
import type { CommittedView } from '../api/views.ts';
import { checkRelease } from './proven.ts';
import { getProduct, getRelease } from './releases.ts';
import { inPath, perform, type Session } from './session.ts';

/** A release as devices would get it, before anybody approved it. */
export interface TrialMaterial {
  release: ReleaseView;
  product: ProductView;
  block1: Uint8Array;
  manifest: Uint8Array;
  /** By a collection key of the newest trust root. */
  collectionKey: PublicKey;
  image: Uint8Array;
  /** Images of further components, in the product's order; left out where there are none. */
  components?: { id: string; image: Uint8Array }[];
  /** By chain head in hex, of every component. */
  frames: Map<string, Uint8Array[]>;
}

/** @throws Refusal BAD_STATEMENT, UNKNOWN_KEY, BAD_SIGNATURE, BAD_FRAME where the server gives something else */
export async function trialMaterial(session: Session, name: string): Promise<TrialMaterial> {
  const { api, verifier } = session;
  const release = await getRelease(session, name);
  const product = await getProduct(session, release.classId);
  const { block1, manifest } = await checkRelease(session, release, product);
  const collectionKey = await collectionKeyOf(session, block1);
  const signed = readManifest(manifest);
  const frames = new Map<string, Uint8Array[]>();
  for (const { payload } of allComponents(signed).flatMap(({ branches }) => branches)) {
    const body = await api.bytes(`/api/v1/payloads/${hex(payload.chainHead)}`);
    frames.set(hex(payload.chainHead), cutFrames(verifier.sha256, payload, body));
  }
  const components: { id: string; image: Uint8Array }[] = [];
  for (const { id, digest } of signed.components ?? []) components.push({ id, image: await imageOf(session, digest) });
  return {
    ...{
      release,
      product,
      block1,
      manifest,
      collectionKey,
      image: await imageOf(session, signed.image.digest),
      frames,
    },
    ...(components.length > 0 && { components }),
  };
}

async function collectionKeyOf({ api, verifier }: Session, leaf: Uint8Array): Promise<PublicKey> {
  const { roots } = (await api.get('/api/v1/trust-roots')) as { roots?: unknown };
  const newest = Array.isArray(roots) ? unhex(String(roots.at(-1))) : undefined;
  demand(newest, 'BAD_STATEMENT', 'the server shows no trust root');
  const block1 = readBlock1(leaf);
  const key = listedKey(verifier, readSignedRoot(verifier.sha256, newest).root, 'collection', block1.kid);
  demand(key, 'UNKNOWN_KEY', `block 1 is by key ${hex(block1.kid)}, which is no collection key of the trust root`);
  checkSign1(verifier, block1.sign1, block1.alg, key, block1.sign1.payload!, 'block 1');
  return key;
}

/** @throws Refusal NOT_FOUND, BAD_STATEMENT */
export async function imageOf({ api, verifier }: Session, digest: Uint8Array): Promise<Uint8Array> {
  const image = await api.bytes(`/api/v1/blobs/${hex(digest)}`);
  const found = hex(verifier.sha256(image));
  demand(found === hex(digest), 'BAD_STATEMENT', `the server gives image ${found}, not ${hex(digest)}`);
  return image;
}

export interface Field {
  /** Devices that are enrolled. */
  devices: number;
  /** Those whose last report names no release of the product, or that never reported. */
  unknown: number;
  /** What they call themselves by their label `hw`. */
  hardware: string[];
  /** Images that devices said they run, by digest in hex; of several components, that of the application. */
  images: string[];
  /** Releases that they run, by their names. */
  releases: string[];
}

/** The product's devices, as ledger and labels have them. */
export async function fieldOf({ api }: Session, { classId }: ProductView): Promise<Field> {
  const devices = (await api.get('/api/v1/devices', { product: classId })) as (DeviceView & DeviceNotes)[];
  const releases = await confirmedOf(api, classId);
  const enrolled = devices.filter(({ state }) => state === 'enrolled');
  const runs = enrolled.flatMap((device) => releases.find((release) => isRun(release, device)) ?? []);
  const hardware = new Set(enrolled.flatMap(({ labels }) => (labels.hw ? [labels.hw] : [])));
  return {
    devices: enrolled.length,
    unknown: enrolled.length - runs.length,
    hardware: [...hardware].sort(),
    images: [...new Set(runs.map(({ imageDigest }) => imageDigest))].sort(),
    releases: [...new Set(runs.map(({ releaseLeaf }) => releaseLeaf))].sort(),
  };
}

/** Oldest first, as the ledger has them. */
export async function confirmedOf(api: Session['api'], classId: string): Promise<ReleaseView[]> {
  const releases = (await api.get('/api/v1/releases', { product: classId })) as ReleaseView[];
  return releases.filter(({ state }) => state === 'confirmed');
}

/** Of several components, a device runs the release of which it runs every one. */
function isRun({ imageDigest, components = [] }: ReleaseView, device: DeviceView): boolean {
  const runs = (id: string) => device.components?.find((one) => one.id === id)?.digest;
  return device.slotDigest === imageDigest && components.every((one) => runs(one.id) === one.imageDigest);
}

/** @returns undefined where the release has none */
export async function getTrial({ api }: Session, { releaseLeaf }: ReleaseView): Promise<TrialView | undefined> {
  try {
    return (await api.get(`/api/v1/trials/${inPath(releaseLeaf)}`)) as TrialView;
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}

/** @throws Refusal NOT_PERMITTED, SAME_PERSON and the contract's others */
export function submitTrial(session: Session, signer: Signer, record: TrialRecord): Promise<CommittedView> {
  const object = objectDigest(session.verifier.sha256, 'trial', record.releaseLeaf);
  return perform(session, signer, { action: 'trial', object, args: trialArgs(record) });
}
