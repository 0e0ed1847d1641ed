/**
 * The SUIT manifest of the profile (draft-ietf-suit-manifest-37): standard commands for every check, one private
 * directive (-257) for the patch step, one private parameter (-258) for version label and policy. Reading is strict by
 * construction: what was read is encoded again and must give the same bytes, so no unknown command can hide.
 * `inspect` reads any envelope of the base specification; a device reads only this.
 */
import { demand, Refusal } from '../errors.ts';
import { type CborMap, decode, encode, type Value } from './cbor.ts';
import { HASH_BYTES, type Sha256 } from './merkle.ts';
import { asArray, asBytes, asMap, asText, asUint, isPlainText, sameBytes, shown, unwrap } from './shape.ts';
import { utf8 } from './utf8.ts';

/** Policy bits of parameter -258. */
export const POLICY_MANDATORY = 1;
export const POLICY_LOG = 2;
export const POLICY_REBOOT = 4;
export const POLICY_DOWNGRADE = 8;

/** Memory classes as numbered in manifests and containers: workspace bytes S 4 KB, M 8 KB, L 16 KB, XL 64 KB, G more. */
export const MEMORY_CLASSES = ['S', 'M', 'L', 'XL', 'G'] as const;
export type MemoryClass = (typeof MEMORY_CLASSES)[number];

/** More branches than this, over all components, make a manifest a device of class S cannot hold. */
export const BRANCHES_MAX = 8;
/** Each needs a branch with its full image, and one delta besides: more would not leave room for it. */
export const COMPONENTS_MAX = 4;
export const COMPONENT_ID_CHARS_MAX = 16;
/** The first component of every release. */
export const APPLICATION = 'app';
/** A manifest with 8 branches has under 1.7 KB; everything larger is refused before it is parsed. */
export const MANIFEST_BYTES_MAX = 2048;
export const VERSION_CHARS_MAX = 32;

export const SUIT_SHA256 = -16;
const COMPONENT_STREAM = 2;
const REPORT_ALL = 15;
const REPORT_FAILURE = 2;

const CONDITION_VENDOR = 1;
const CONDITION_CLASS = 2;
const CONDITION_IMAGE = 3;
const SET_COMPONENT = 12;
const TRY_EACH = 15;
const OVERRIDE = 20;
const FETCH = 21;
const INVOKE = 23;
export const DIRECTIVE_PATCH = -257;
export const PARAMETER_RELEASE = -258;

/** The image a manifest or branch speaks of. */
export interface ImageId {
  digest: Uint8Array;
  bytes: number;
}

/** A payload as a chain of frames: it is named by its chain head, the SHA-256 of frame 0. */
export interface Payload {
  /** Container bytes, without the hashes between frames. */
  bytes: number;
  chainHead: Uint8Array;
  /** Payload bytes of a full frame. */
  frameBytes: number;
  frameCount: number;
}

export interface Branch {
  /** The image this branch's delta starts from; the last branch has none and carries the full image. */
  base?: ImageId;
  payload: Payload;
  memoryClass: MemoryClass;
  workspaceBytes: number;
}

/** The image of a further component, under the name that the product gives it. */
export interface ComponentImage extends ImageId {
  id: string;
}

/** All images of a release: the application's, and those of further components, if there are any, in the product's order. */
export interface ReleaseImage extends ImageId {
  components?: readonly ComponentImage[] | undefined;
}

export interface Component extends ComponentImage {
  branches: Branch[];
}

export interface Manifest {
  sequence: number;
  vendorId: Uint8Array;
  classId: Uint8Array;
  /** Of the application, whose branches stand below. */
  image: ImageId;
  /** Further components, which become current together with the application or not at all. Absent where there are none. */
  components?: Component[] | undefined;
  /** A label for people; order and identity are the sequence alone. */
  version: string;
  policy: number;
  branches: Branch[];
}

/** @throws RangeError for a manifest that the profile cannot express */
export function encodeManifest(m: Manifest): Uint8Array {
  const all = allComponents(m);
  const fault = faultOf(all);
  if (fault) throw new RangeError(fault);
  if (m.version.length > VERSION_CHARS_MAX || !isPlainText(m.version)) {
    throw new RangeError(`a version label has at most ${VERSION_CHARS_MAX} characters and no control characters`);
  }
  const [own, ...further] = all.map(({ id }) => [
    [utf8(id), Uint8Array.of(1)],
    [utf8(id), Uint8Array.of(0)],
  ]);
  const sameImage = (i: number): Value[] => [SET_COMPONENT, targetIndex(i), CONDITION_IMAGE, REPORT_ALL];
  const install = all.flatMap(({ branches }, i) => [
    ...[TRY_EACH, branches.map((branch) => encode(branchSequence(branch, targetIndex(i))))],
    ...sameImage(i),
  ]);
  return encode(
    new Map<number, Value>([
      [1, 1],
      [2, m.sequence],
      [
        3,
        encode(
          new Map<number, Value>([
            [2, [...own!, [utf8('patch')], ...further.flat()]],
            [4, encode(sharedSequence(m))],
          ]),
        ),
      ],
      [7, encode(all.flatMap((_, i) => sameImage(i)))],
      [9, encode([SET_COMPONENT, 0, INVOKE, REPORT_FAILURE])],
      [20, encode(install)],
    ]),
  );
}

/** The application first. */
export function allComponents({
  image,
  branches,
  components = [],
}: Pick<Manifest, 'image' | 'branches' | 'components'>): Component[] {
  return [{ id: APPLICATION, ...image, branches }, ...components];
}

/** What a device stores of a manifest's images. */
export function releaseImage({ image, components }: Manifest): ReleaseImage {
  return { ...image, components: components?.map(({ id, digest, bytes }) => ({ id, digest, bytes })) };
}

/** Behind target 0, running 1 and stream 2 stand a target and a running image for each further component. */
function targetIndex(component: number): number {
  return component && 2 * component + 1;
}

/** A component's name: what a path, a label and a ledger entry can hold alike. */
export function isComponentId(id: string): boolean {
  return /^[a-z][a-z0-9-]{0,15}$/.test(id);
}

/** A name that stands twice would leave open which slot is meant: progress is kept by the name of the payload. */
function faultOf(all: readonly Component[]): string | undefined {
  const branches = all.flatMap((component) => component.branches);
  const ids = all.map(({ id }) => id);
  const heads = all.flatMap((component) => [...new Set(component.branches.map((b) => b.payload.chainHead.join()))]);
  if (branches.length > BRANCHES_MAX || all.some((component) => component.branches.length === 0))
    return `1 to ${BRANCHES_MAX} branches`;
  if (all.length === 1) return undefined;
  if (all.length > COMPONENTS_MAX) return `at most ${COMPONENTS_MAX} components`;
  if (!ids.every(isComponentId)) return 'the name of a component is not one';
  if (new Set(ids).size < ids.length) return 'two components of one name';
  return new Set(heads).size < heads.length ? 'one payload for two components' : undefined;
}

function sharedSequence(m: Manifest): Value[] {
  const parameters = new Map<number, Value>([
    [1, m.vendorId],
    [2, m.classId],
    [3, digestBytes(m.image.digest)],
    [14, m.image.bytes],
    [PARAMETER_RELEASE, encode([m.version, m.policy])],
  ]);
  const checks = [CONDITION_VENDOR, REPORT_ALL, CONDITION_CLASS, REPORT_ALL];
  const further = (m.components ?? []).flatMap((image, i) => overrideImage(targetIndex(i + 1), image));
  return [SET_COMPONENT, 0, OVERRIDE, parameters, ...checks, ...further];
}

function branchSequence(branch: Branch, target: number): Value[] {
  const { base, payload } = branch;
  const stream = new Map<number, Value>([
    [14, payload.bytes],
    [25, encode([payload.chainHead, payload.frameBytes, payload.frameCount])],
  ]);
  const running = target + 1;
  const patch = [MEMORY_CLASSES.indexOf(branch.memoryClass), branch.workspaceBytes, base ? running : null];
  return [
    ...(base ? [...overrideImage(running, base), CONDITION_IMAGE, REPORT_ALL] : []),
    ...[SET_COMPONENT, COMPONENT_STREAM, OVERRIDE, stream, FETCH, REPORT_FAILURE],
    ...[SET_COMPONENT, target, DIRECTIVE_PATCH, patch],
  ];
}

function overrideImage(component: number, { digest, bytes }: ImageId): Value[] {
  const parameters = new Map<number, Value>([
    [3, digestBytes(digest)],
    [14, bytes],
  ]);
  return [SET_COMPONENT, component, OVERRIDE, parameters];
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readManifest(bytes: Uint8Array): Manifest {
  demand(bytes.length <= MANIFEST_BYTES_MAX, 'TOO_LARGE', `the manifest has ${bytes.length} bytes`);
  const map = asMap(decode(bytes), 'manifest');
  demand(map.get(1) === 1, 'UNSUPPORTED', `manifest version ${shown(map.get(1))} is not 1`);
  const common = asMap(unwrap(map.get(3), 'common'), 'common');
  const shared = asArray(unwrap(common.get(4), 'shared sequence'), 'shared sequence');
  const install = asArray(unwrap(map.get(20), 'install sequence'), 'install sequence');
  const parameters = asMap(shared[3], 'shared parameters');
  const [version, policy] = asArray(
    unwrap(parameters.get(PARAMETER_RELEASE), 'release parameter'),
    'release parameter',
    2,
  );
  const components = readComponents(asArray(common.get(2), 'components'), shared, install);
  const manifest: Manifest = {
    sequence: asUint(map.get(2), 'sequence'),
    vendorId: asBytes(parameters.get(1), 'vendor id', 16),
    classId: asBytes(parameters.get(2), 'class id', 16),
    image: readImage(parameters),
    version: asText(version, 'version', VERSION_CHARS_MAX),
    policy: asUint(policy, 'policy', 15),
    branches: readBranches(install[1]),
    ...(components.length > 0 && { components }),
  };
  const fault = faultOf(allComponents(manifest));
  demand(!fault, 'MALFORMED', fault!);
  sameBytes(encodeManifest(manifest), bytes, 'manifest');
  return manifest;
}

/** Where they must stand: should they not, the manifest that is written from what was read has other bytes. */
function readComponents(names: Value[], shared: Value[], install: Value[]): Component[] {
  const components: Component[] = [];
  for (let i = 1; 2 * i + 1 < names.length; i++) {
    demand(i < COMPONENTS_MAX, 'MALFORMED', `at most ${COMPONENTS_MAX} components`);
    const [id] = asArray(names[2 * i + 1], 'component', 2);
    components.push({
      id: String.fromCharCode(...asBytes(id, 'component id')),
      ...readImage(asMap(shared[4 * i + 7], 'component parameters')),
      branches: readBranches(install[6 * i + 1]),
    });
  }
  return components;
}

function readBranches(value: Value | undefined): Branch[] {
  const sequences = asArray(value, 'try-each');
  const branches = sequences.map((sequence) => readBranch(asArray(unwrap(sequence, 'branch'), 'branch')));
  const full = branches.filter((branch) => branch.base === undefined);
  demand(full.length === 1 && branches.at(-1) === full[0], 'MALFORMED', 'the last branch, and it alone, has no base');
  return branches;
}

function readBranch(commands: Value[]): Branch {
  const based = commands.length === 16;
  demand(based || commands.length === 10, 'MALFORMED', `a branch has ${commands.length} elements`);
  const rest = based ? commands.slice(6) : commands;
  const stream = asMap(rest[3], 'stream parameters');
  const [chainHead, frameBytes, frameCount] = asArray(unwrap(stream.get(25), 'fetch arguments'), 'fetch arguments', 3);
  const [memoryClass, workspaceBytes] = asArray(rest[9], 'patch arguments', 3);
  const branch: Branch = {
    payload: {
      bytes: asUint(stream.get(14), 'payload size', 0xffffffff),
      chainHead: asBytes(chainHead, 'chain head', HASH_BYTES),
      frameBytes: asUint(frameBytes, 'frame size', FRAME_BYTES_MAX),
      frameCount: asUint(frameCount, 'frame count', 0xffffffff),
    },
    memoryClass: MEMORY_CLASSES[asUint(memoryClass, 'memory class', MEMORY_CLASSES.length - 1)]!,
    workspaceBytes: asUint(workspaceBytes, 'workspace', 0xffffffff),
  };
  checkPayload(branch.payload);
  return based ? { base: readImage(asMap(commands[3], 'base parameters')), ...branch } : branch;
}

/** Frames carry 256 bytes to 4 KB by memory class. */
export const FRAME_BYTES_MIN = 256;
export const FRAME_BYTES_MAX = 4096;

function checkPayload(p: Payload): void {
  const whole = p.bytes > 0 && p.frameBytes >= FRAME_BYTES_MIN && p.frameCount === Math.ceil(p.bytes / p.frameBytes);
  demand(whole, 'MALFORMED', `${p.bytes} bytes do not make ${p.frameCount} frames of ${p.frameBytes}`);
}

function readImage(parameters: CborMap): ImageId {
  const [alg, digest] = asArray(unwrap(parameters.get(3), 'image digest'), 'image digest', 2);
  if (alg !== SUIT_SHA256) throw new Refusal('UNSUPPORTED', `digest algorithm ${shown(alg)} is not SHA-256`);
  return {
    digest: asBytes(digest, 'image digest', HASH_BYTES),
    bytes: asUint(parameters.get(14), 'image size', 0xffffffff),
  };
}

/** The content of a SUIT_Digest byte string: 36 bytes. */
export function digestBytes(digest: Uint8Array): Uint8Array {
  return encode([SUIT_SHA256, digest]);
}

/** SUIT hashes a manifest together with the head of the byte string that carries it. */
export function manifestDigest(sha256: Sha256, manifest: Uint8Array): Uint8Array {
  return sha256(encode(manifest));
}
