/**
 * Makes test/vectors/format/*.json and the listings in docs/FORMAT.md. Run from the root after a build:
 *   node test/dist/vectors/make-format.js && npx biome check --write test/vectors/format
 * It is deterministic: the keys come from fixed seeds and Ed25519 has no randomness. Refused rows state their code here;
 * the script fails where a reader says otherwise.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import {
  aadOf,
  asArray,
  asMap,
  type CborMap,
  concat,
  decode,
  decodeSign1,
  encode,
  encodeManifest,
  encodeSign1,
  hex,
  type Kind,
  kidOf,
  type Manifest,
  makeSign1,
  publicKeyOf,
  readAnswer,
  readRequest,
  readSignedRoot,
  type Signer,
  signStatement,
  Tagged,
  toBeSigned,
  unwrap,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { codeOfRefusal } from '../support/refused.ts';
import { answers, requests } from '../support/samples.ts';
import {
  bytesOf,
  classId,
  componentsOf,
  makeWorld,
  manifestOf,
  payloadOf,
  sha256,
  signers,
  vendorId,
  type World,
} from '../support/world.ts';
import { annotate } from './annotate.ts';
import { READERS } from './format-readers.ts';
import { enrolmentVectors } from './make-enrolment.ts';
import { bundleVectors, localVectors } from './make-near.ts';

export interface FormatVector {
  id: string;
  why: string;
  /** A name of format-readers.ts: how FORMAT reads these bytes. */
  reader: string;
  /** hex */
  input: string;
  /** What is read, byte strings in hex; or the code of the refusal. */
  expected: { value: unknown } | { code: string };
  /** Where the input carries signatures: which key's, and over which bytes. */
  signatures?: { key: string; publicKey: string; message: string; signature: string }[];
}

/** All vector files by name, without `.json`. */
export async function formatVectors(): Promise<Record<string, FormatVector[]>> {
  const w = await makeWorld();
  return {
    cbor: cborVectors(),
    manifest: manifestVectors(),
    envelope: envelopeVectors(w),
    head: headVectors(w),
    announcement: announcementVectors(w),
    statements: await statementVectors(w),
    root: rootVectors(w),
    requests: requestVectors(w),
    provision: provisionVectors(w),
    local: localVectors(accepted, refused),
    bundle: bundleVectors(accepted, refused, w),
    enrolment: await enrolmentVectors(accepted, refused),
  };
}

/** The keys of the vectors. The seeds are public: never use them for anything else. */
export function keyVectors(): { name: string; seed: string; publicKey: string; kid: string }[] {
  return Object.entries(signers).map(([name, signer]) => ({
    name,
    seed: hex(bytesOf(`key ${name}`)),
    publicKey: hex(signer.publicKey),
    kid: hex(kidOf(sha256, publicKeyOf(signer))),
  }));
}

/** One manifest with two bases, small numbers, and every byte explained. */
export function listedManifest(): Uint8Array {
  return encodeManifest(listed());
}

export function manifestListing(): string {
  return annotate(listedManifest(), manifestNotes(listed()));
}

function listed(): Manifest {
  return manifestOf(2);
}

function manifestNotes(m: Manifest): string[] {
  const branches = m.branches.flatMap((branch, i) => branchNotes(branch, i, m.branches.length));
  return [
    ...['manifest: 6 members', '1 version', '= 1', '2 sequence', `= ${m.sequence}`],
    ...['3 common', 'byte string ↓', '2 members', '2 components', ...componentNotes()],
    ...['4 shared sequence', 'byte string ↓', '8 elements', '12 set-component-index', '0, the target slot'],
    ...[
      '20 override-parameters',
      '5 parameters',
      '1 vendor-id',
      'UUID of the vendor',
      '2 class-id',
      'UUID of the class',
    ],
    ...['3 image-digest', ...digestNotes('of the result')],
    ...[
      '14 image-size',
      `${m.image.bytes} bytes`,
      '-258 release',
      'byte string ↓',
      '2 elements',
      `version label "${m.version}"`,
    ],
    ...[`policy ${m.policy}: mandatory 1 + log 2 + reboot 4`],
    ...['1 condition vendor-identifier', 'report policy 15', '2 condition class-identifier', 'report policy 15'],
    ...['7 validate', 'byte string ↓', ...checkNotes(4)],
    ...['9 invoke', 'byte string ↓', '4 elements', '12 set-component-index', '0', '23 invoke', 'report policy 2'],
    ...[
      '20 install',
      'byte string ↓',
      '6 elements',
      '15 try-each',
      `${m.branches.length} branches`,
      ...branches,
      ...checkNotes(),
    ],
  ];
}

function componentNotes(): string[] {
  const target = ['component 0: 2 elements', '"app"', '01: the target slot'];
  const running = ['component 1: 2 elements', '"app"', '00: the running image'];
  return ['3 elements', ...target, ...running, 'component 2: 1 element', '"patch": the stream'];
}

function digestNotes(what: string): string[] {
  return ['SUIT_Digest ↓', '2 elements', '-16 SHA-256', `SHA-256 ${what}`];
}

function checkNotes(elements?: number): string[] {
  const head = elements === undefined ? [] : [`${elements} elements`];
  return [...head, '12 set-component-index', '0, the target slot', '3 condition image-match', 'report policy 15'];
}

function branchNotes(branch: Manifest['branches'][number], i: number, count: number): string[] {
  const { base, payload } = branch;
  const name = base ? `branch ${i + 1}: a delta ↓` : `branch ${count}: the full image ↓`;
  const check = base
    ? [
        ...[
          '12 set-component-index',
          '1, the running image',
          '20 override-parameters',
          '2 parameters',
          '3 image-digest',
        ],
        ...digestNotes('of the base'),
        ...['14 image-size', `${base.bytes} bytes`, '3 condition image-match', 'report policy 15'],
      ]
    : [];
  return [
    ...[name, `${base ? 16 : 10} elements`, ...check, '12 set-component-index', '2, the stream'],
    ...['20 override-parameters', '2 parameters', '14 image-size', `${payload.bytes} bytes of container`],
    ...[
      '25 fetch-arguments',
      'byte string ↓',
      '3 elements',
      'chain head: SHA-256 of frame 0',
      `frame size ${payload.frameBytes}`,
    ],
    ...[`${payload.frameCount} frames`, '21 fetch', 'report policy 2', '12 set-component-index', '0, the target slot'],
    ...['-257 patch', '3 elements', 'memory class 2: L', `workspace ${branch.workspaceBytes} bytes`],
    base ? 'base: component 1' : 'no base',
  ];
}

function accepted(
  reader: string,
  id: string,
  why: string,
  input: Uint8Array,
  extra: Partial<FormatVector> = {},
): FormatVector {
  return { id, why, reader, input: hex(input), expected: { value: READERS[reader]!(input) }, ...extra };
}

function refused(reader: string, id: string, why: string, code: string, input: Uint8Array): FormatVector {
  const came = codeOfRefusal(() => READERS[reader]!(input));
  if (came !== code) throw new Error(`${id}: expected ${code}, the reader says ${came}`);
  return { id, why, reader, input: hex(input), expected: { code } };
}

function signature(
  key: string,
  signer: Signer,
  bytes: Uint8Array,
  payload: Uint8Array,
  aad: Uint8Array = new Uint8Array(),
) {
  const sign1 = decodeSign1(bytes);
  return {
    key,
    publicKey: hex(signer.publicKey),
    message: hex(toBeSigned(sign1.protectedBytes, aad, payload)),
    signature: hex(sign1.signature),
  };
}

function cborVectors(): FormatVector[] {
  const good: [string, string, string][] = [
    ['shortest-24', '24 is the first integer with a byte of its own', '1818'],
    ['largest', '2^53 - 1 is the largest integer', '1b001fffffffffffff'],
    ['smallest', '-(2^53 - 1) is the smallest', '3b001ffffffffffffe'],
    ['sorted-map', 'keys in the order of their encodings: 1, 25, -1, "a"', 'a401021819032004616105'],
  ];
  const bad: [string, string, string][] = [
    ['long-integer', '23 in two bytes', '1817'],
    ['beyond-2-53', '2^53', '1b0020000000000000'],
    ['below-2-53', '-2^53', '3b001fffffffffffff'],
    ['long-length', 'a byte string of 4 with its length in two bytes', '580401020304'],
    ['indefinite', 'an array of indefinite length', '9f01ff'],
    ['unsorted-map', 'key 2 before key 1', 'a202000100'],
    ['double-key', 'key 1 twice', 'a201000100'],
    ['bytes-key', 'a byte string as key', 'a1410100'],
    ['float', '1.0', 'f93c00'],
    ['undefined', 'undefined', 'f7'],
    ['trailing', 'a second item', '0000'],
    ['false-count', '2^53 - 1 elements in no bytes', '9b001fffffffffffff'],
    ['not-utf8', 'a text of a lone continuation byte', '6180'],
    ['surrogate', 'a text with half a surrogate pair', '63eda080'],
    ['too-deep', '16 arrays around an integer', `${'81'.repeat(16)}00`],
  ];
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
  return [
    ...good.map(([id, why, input]) => accepted('cbor', `cbor-${id}`, why, bytes(input))),
    ...bad.map(([id, why, input]) => refused('cbor', `cbor-${id}`, why, 'MALFORMED', bytes(input))),
  ];
}

function manifestVectors(): FormatVector[] {
  const m = listed();
  const bytes = encodeManifest(m);
  const map = asMap(decode(bytes), 'manifest');
  const edit = (key: number, value: Value) => encode(new Map([...map, [key, value] as const]));
  const branch = m.branches.at(-1)!;
  const small = { ...branch, payload: payloadOf('small', 100, 256) };
  const frames = (change: object) =>
    encodeManifest({ ...m, branches: [{ ...branch, payload: { ...branch.payload, ...change } }] });
  return [
    accepted('manifest', 'manifest-two-bases', 'two deltas and the full image; listed in FORMAT', bytes),
    accepted(
      'manifest',
      'manifest-full-only',
      'a first release: the full image alone',
      encodeManifest(manifestOf(0, { sequence: 1 })),
    ),
    accepted('manifest', 'manifest-eight-branches', 'seven bases', encodeManifest(manifestOf(7))),
    accepted(
      'manifest',
      'manifest-downgrade',
      'old bytes under a new sequence',
      encodeManifest(manifestOf(0, { policy: 8, version: '1.3.9' })),
    ),
    accepted(
      'manifest',
      'manifest-one-frame',
      'a payload shorter than a frame',
      encodeManifest({ ...m, branches: [small] }),
    ),
    refused('manifest', 'manifest-version-2', 'another manifest version', 'UNSUPPORTED', edit(1, 2)),
    refused('manifest', 'manifest-load', 'a load section', 'MALFORMED', edit(8, encode([12, 0]))),
    refused('manifest', 'manifest-severed', 'a severed install section', 'MALFORMED', edit(20, [-16, bytesOf('x')])),
    refused('manifest', 'manifest-no-check', 'validate without image-match', 'MALFORMED', edit(7, encode([12, 0]))),
    refused(
      'manifest',
      'manifest-frame-count',
      'one frame more than the payload has',
      'MALFORMED',
      frames({ frameCount: branch.payload.frameCount + 1 }),
    ),
    refused(
      'manifest',
      'manifest-frame-size',
      'frames of 128 bytes',
      'MALFORMED',
      frames({ frameBytes: 128, frameCount: Math.ceil(branch.payload.bytes / 128) }),
    ),
    refused(
      'manifest',
      'manifest-two-full',
      'two branches without base',
      'MALFORMED',
      encodeManifest({ ...m, branches: [branch, branch] }),
    ),
    refused(
      'manifest',
      'manifest-no-full',
      'only deltas',
      'MALFORMED',
      encodeManifest({ ...m, branches: m.branches.slice(0, 2) }),
    ),
    refused(
      'manifest',
      'manifest-policy-16',
      'an unknown policy bit',
      'MALFORMED',
      encodeManifest({ ...m, policy: 16 }),
    ),
    ...componentVectors(),
    refused('manifest', 'manifest-trailing', 'a byte after the map', 'MALFORMED', concat(bytes, Uint8Array.of(0))),
    refused('manifest', 'manifest-too-large', '2049 bytes', 'TOO_LARGE', new Uint8Array(2049)),
  ];
}

/** Manifests of several components, and what is wrong with others. */
function componentVectors(): FormatVector[] {
  const two = manifestOf(1, { components: componentsOf('radio') });
  const map = asMap(decode(encodeManifest(two)), 'manifest');
  const common = asMap(unwrap(map.get(3), 'common'), 'common');
  const names = asArray(common.get(2), 'components');
  const install = asArray(unwrap(map.get(20), 'install'), 'install');
  const renamed = (...further: string[]) => {
    const items = further.flatMap((id): Value[] => [1, 0].map((n) => [utf8(id), Uint8Array.of(n)]));
    const changed = new Map([...common, [2, [...names.slice(0, 3), ...items]] as const]);
    return encode(new Map([...map, [3, encode(changed)] as const]));
  };
  const installing = (items: Value[]) => encode(new Map([...map, [20, encode(items)] as const]));
  const bad: [string, string, Uint8Array][] = [
    ['double-component', 'two components of one name', renamed('app')],
    ['component-name', 'a name with a capital letter', renamed('Radio')],
    ['component-long', 'a name of 17 characters', renamed('a'.repeat(17))],
    ['component-missing', 'a named component without an image', renamed('radio', 'sensor')],
    ['five-components', 'more than four', renamed('radio', 'sensor', 'modem', 'camera')],
    ['component-uninstalled', 'a component that no command installs', installing(install.slice(0, 6))],
    ['component-swapped', 'installed in another order', installing([...install.slice(6), ...install.slice(0, 6)])],
    [
      'component-no-full',
      'a component with a delta only',
      installing(install.map((v, i) => (i === 7 ? [(v as Value[])[0]!] : v))),
    ],
    [
      'component-payload',
      "the application's payload for the radio too",
      installing(install.map((v, i) => (i === 7 ? install[1]! : v))),
    ],
  ];
  return [
    accepted('manifest', 'manifest-two-components', 'application and radio, each with a delta', encodeManifest(two)),
    accepted(
      'manifest',
      'manifest-four-components',
      'as many as there may be',
      encodeManifest(manifestOf(3, { components: componentsOf('radio', 'sensor', 'modem') })),
    ),
    ...bad.map(([id, why, bytes]) => refused('manifest', `manifest-${id}`, why, 'MALFORMED', bytes)),
  ];
}

function envelopeVectors(w: World): FormatVector[] {
  const map = asMap((decode(w.envelope) as Tagged).value, 'envelope');
  const [digest, block1, block2] = asArray(unwrap(map.get(2), 'wrapper'), 'wrapper') as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const make = (wrapper: Value[], extra: [number | string, Value][] = []) =>
    encode(new Tagged(107, new Map<number | string, Value>([[2, encode(wrapper)], [3, w.manifest], ...extra])));
  const first = signature('collection', signers.collection, w.leaf, digest);
  const second = signature('distribution', signers.distribution, w.block2, digest);
  const attached = encodeSign1({ ...decodeSign1(w.leaf), unprotected: new Map([[4, new Uint8Array(8)]]) });
  return [
    accepted('envelope', 'envelope', 'two blocks over one digest', w.envelope, { signatures: [first, second] }),
    accepted('block1', 'leaf', 'block 1 as the ledger stores it: payload attached', w.leaf, { signatures: [first] }),
    accepted('block2', 'block2', 'block 2 as it stands in the envelope', w.block2, { signatures: [second] }),
    refused('envelope', 'envelope-one-block', 'block 2 is missing', 'MALFORMED', make([digest, block1])),
    refused('envelope', 'envelope-swapped', 'blocks in the other order', 'MALFORMED', make([digest, block2, block1])),
    refused('envelope', 'envelope-three-blocks', 'block 2 twice', 'MALFORMED', make([digest, block1, block2, block2])),
    refused(
      'envelope',
      'envelope-payload',
      'an integrated payload',
      'MALFORMED',
      make([digest, block1, block2], [['#x', new Uint8Array(1)]]),
    ),
    refused(
      'envelope',
      'envelope-digest',
      'the digest of another manifest',
      'MALFORMED',
      make([encode([-16, bytesOf('x')]), block1, block2]),
    ),
    refused('envelope', 'envelope-untagged', 'no tag 107', 'MALFORMED', encode(map)),
    refused('block1', 'leaf-unprotected', 'an unprotected kid', 'MALFORMED', attached),
    refused('block1', 'leaf-is-block2', 'block 2 in the place of block 1', 'MALFORMED', w.block2),
    refused('block2', 'block2-is-leaf', 'block 1 in the place of block 2', 'MALFORMED', w.leaf),
  ];
}

function headVectors(w: World): FormatVector[] {
  const { root } = w.headFields;
  const sign1 = decodeSign1(w.receipt);
  const proof = (size: number) => encode([size, 2, [bytesOf('entry 3'), bytesOf('x')]]);
  const receipt = (value: Value) => encodeSign1({ ...sign1, unprotected: new Map<number, Value>([[396, value]]) });
  const log = signature('log', signers.log, w.head, root);
  return [
    accepted('head', 'head', 'four entries; the root is the detached payload', w.head, { signatures: [log] }),
    accepted('head', 'cosignature', 'the same tuple by a peer', w.cosignature, {
      signatures: [signature('peer', signers.peer, w.cosignature, root)],
    }),
    accepted('receipt', 'receipt', 'the same signature with the path of entry 2', w.receipt, { signatures: [log] }),
    accepted('indexEntry', 'index-entry', 'the class entry of the release', w.indexEntry),
    refused(
      'receipt',
      'receipt-other-size',
      'the proof is for 5 entries, the signature for 4',
      'NO_RECEIPT',
      receipt(new Map([[-1, [proof(5)]]])),
    ),
    refused(
      'receipt',
      'receipt-two-proofs',
      'two inclusion proofs',
      'MALFORMED',
      receipt(new Map([[-1, [proof(4), proof(4)]]])),
    ),
    refused('receipt', 'receipt-is-head', 'no proof at all', 'MALFORMED', w.head),
    refused('head', 'head-is-receipt', 'a head with an unprotected map', 'MALFORMED', w.receipt),
    refused('head', 'head-is-tx', 'a transaction', 'MALFORMED', w.tx),
    refused(
      'indexEntry',
      'index-entry-state',
      'state 3',
      'MALFORMED',
      encode(asArray(decode(w.indexEntry), 'entry').map((item, i) => (i === 5 ? 3 : item))),
    ),
  ];
}

function announcementVectors(w: World): FormatVector[] {
  const items = asArray(decode(w.announcement), 'announcement');
  const edit = (at: number, value: Value) => encode(items.map((item, i) => (i === at ? value : item)));
  return [
    accepted('announcement', 'announcement', 'two bases, one cosignature, two classes', w.announcement),
    accepted(
      'announcement',
      'announcement-alone',
      'quorum 0 and one class: no cosignature, no path',
      encode(items.map((item, i) => (i === 3 ? [] : i === 4 ? [5, 0, 1, []] : item))),
    ),
    refused('announcement', 'announcement-version', 'version 2', 'UNSUPPORTED', edit(0, 2)),
    refused(
      'announcement',
      'announcement-path',
      'a path of 54 hashes',
      'MALFORMED',
      edit(4, [5, 0, 2, new Array(54).fill(bytesOf('x'))]),
    ),
    refused(
      'announcement',
      'announcement-cosignature',
      'a signature of 63 bytes',
      'MALFORMED',
      edit(3, [[new Uint8Array(8), -19, new Uint8Array(63)]]),
    ),
    refused('announcement', 'announcement-extra', 'a seventh element', 'MALFORMED', encode([...items, null])),
  ];
}

async function statementVectors(w: World): Promise<FormatVector[]> {
  const rows: [Kind, Uint8Array, keyof typeof signers, string][] = [
    ['rollout', w.rollout, 'command', 'a quarter of the fleet and a named group, for a week'],
    ['report', w.report, 'device', 'a failed self-test, reverted'],
    ['tx', w.tx, 'person', 'a person approves a release'],
    ['login', w.login, 'device', 'the ninth connection'],
    ['ack', w.ack, 'command', 'report 4 is in the ledger'],
    ['fresh', w.fresh, 'command', 'the answer to a nonce'],
    ['cmd', w.cmd, 'command', 'ask for the announcement now'],
  ];
  const good = rows.map(([kind, bytes, key, why]) => {
    const signed = signature(key, signers[key], bytes, decodeSign1(bytes).payload!, aadOf(kind));
    return accepted(kind, kind, why, bytes, { signatures: [signed] });
  });
  const device = bytesOf('device', 16);
  const sign = (kind: Kind, payload: Value) => signStatement(sha256, kind, payload, signers.command);
  const { protected: map, payload } = decodeSign1(w.cmd);
  const extra: CborMap = new Map([...map, [15, 1] as const]);
  const radio = [['radio', bytesOf('radio 6'), 'SELF_TEST_FAILED']];
  const parts = (items: Value) => sign('report', [...editArray(w.report, 0, bytesOf('device', 16)), items]);
  return [
    ...good,
    accepted('report', 'report-components', 'what runs of a radio besides', await parts(radio)),
    refused('report', 'report-no-components', 'an empty list of further components', 'MALFORMED', await parts([])),
    refused('report', 'report-4-components', 'four of them', 'MALFORMED', await parts(new Array(4).fill(radio[0]))),
    refused('ack', 'ack-is-cmd', 'a command where an acknowledgement is expected', 'WRONG_TYPE', w.cmd),
    refused('cmd', 'cmd-is-ack', 'an acknowledgement where a command is expected', 'WRONG_TYPE', w.ack),
    refused(
      'cmd',
      'cmd-extra-label',
      'one more protected label',
      'MALFORMED',
      encodeSign1(await makeSign1(signers.command, extra, payload!)),
    ),
    refused('cmd', 'cmd-detached', 'no payload', 'MALFORMED', encodeSign1({ ...decodeSign1(w.cmd), payload: null })),
    refused(
      'login',
      'login-control',
      'a broker id with a line feed',
      'MALFORMED',
      await sign('login', [device, 'a\nb', 1]),
    ),
    refused(
      'rollout',
      'rollout-kind',
      'a third kind of cohort',
      'UNSUPPORTED',
      await sign('rollout', editArray(w.rollout, 6, [[2, 1]])),
    ),
    refused('rollout', 'rollout-state', 'state 3', 'MALFORMED', await sign('rollout', editArray(w.rollout, 4, 3))),
    refused(
      'report',
      'report-code',
      'a code outside the closed list',
      'MALFORMED',
      await sign('report', editArray(w.report, 10, [11, 'OOPS'])),
    ),
    refused(
      'report',
      'report-stages',
      '17 stages',
      'MALFORMED',
      await sign('report', editArray(w.report, 11, new Array(17).fill([1, 'OK']))),
    ),
  ];
}

function editArray(statement: Uint8Array, at: number, value: Value): Value[] {
  return asArray(decode(decodeSign1(statement).payload!), 'payload').map((item, i) => (i === at ? value : item));
}

function rootVectors(w: World): FormatVector[] {
  const { payload, signatures } = readSignedRoot(sha256, w.root);
  const bytes = encodeSign1(signatures[0]!.sign1);
  const items = asArray(decode(payload), 'root');
  const edit = (at: number, value: Value) =>
    encode([encode(items.map((item, i) => (i === at ? value : item))), [bytes]]);
  const floor = [classId, 5];
  const signed = signature('root', signers.root, bytes, payload, aadOf('root'));
  return [
    accepted('root', 'root', 'trust root 1: one key a role, one peer', w.root, { signatures: [signed] }),
    refused('root', 'root-version-0', 'trust roots are numbered from 1', 'BAD_ROOT', edit(0, 0)),
    refused('root', 'root-two-floors', 'two floors for one class', 'BAD_ROOT', edit(6, [floor, floor])),
    refused('root', 'root-unsigned', 'no signature', 'BAD_ROOT', encode([payload, []])),
    refused('root', 'root-too-large', '4097 bytes', 'TOO_LARGE', new Uint8Array(4097)),
  ];
}

function requestVectors(w: World): FormatVector[] {
  const asked = [
    'frames 4 to 11 of a payload',
    'consistency from 4 to 900',
    'three entries of the release chain',
    'trust roots from 2',
    'freshness',
    'the announcement',
    'the issueKey of an implicit key',
  ];
  const said = [
    'refused: busy, again in 30 s',
    'frame 4',
    'a consistency path',
    'two entries',
    'one trust root',
    'a freshness statement',
    'the announcement and a membership',
    'the entry of an issued key and its receipt',
  ];
  return [
    ...requests().map((bytes, i) => accepted('request', `request-${readRequest(bytes).kind}`, asked[i]!, bytes)),
    ...answers(w.announcement, w.root).map((bytes, i) =>
      accepted('answer', `answer-${readAnswer(bytes).kind}`, said[i]!, bytes),
    ),
    refused(
      'request',
      'request-33-frames',
      'more frames than a window',
      'MALFORMED',
      encode([1, 1, bytesOf('x'), 0, 33]),
    ),
    refused('request', 'request-kind-7', 'an unknown kind', 'UNSUPPORTED', encode([1, 7])),
    refused(
      'request',
      'request-8-short',
      'a thumbprint of 31 bytes',
      'MALFORMED',
      encode([1, 8, bytesOf('x').slice(1)]),
    ),
    refused('request', 'request-8-no-thumbprint', 'an issued key without its name', 'MALFORMED', encode([1, 8])),
    refused(
      'answer',
      'answer-8-no-receipt',
      'an issued key without a receipt',
      'MALFORMED',
      encode([1, 8, new Uint8Array(9)]),
    ),
    refused('request', 'request-too-large', '129 bytes', 'TOO_LARGE', new Uint8Array(129)),
    refused('answer', 'answer-retry', 'more than a day to wait', 'MALFORMED', encode([1, 0, 'BUSY', 86_401])),
    refused('answer', 'answer-code', 'a code outside the closed list', 'MALFORMED', encode([1, 0, 'OOPS', 1])),
  ];
}

function provisionVectors(w: World): FormatVector[] {
  const items = asArray(decode(w.provision), 'provision');
  return [
    accepted('provision', 'provision', 'a factory image of release 7', w.provision),
    accepted(
      'provision',
      'provision-no-device',
      'before the factory adds the device id',
      encode([...items.slice(0, 7), null]),
    ),
    accepted(
      'provision',
      'provision-components',
      'a factory image with a radio beside it',
      encode(
        items.map((item, i) => (i === 5 ? [...(item as Value[]), [['radio', bytesOf('radio 7'), 20_000]]] : item)),
      ),
    ),
    refused(
      'provision',
      'provision-no-components',
      'an empty list of further components',
      'MALFORMED',
      encode(items.map((item, i) => (i === 5 ? [...(item as Value[]), []] : item))),
    ),
    accepted(
      'provision',
      'provision-epoch',
      'a device that was enrolled again, for the second time',
      encode([...items, 2]),
    ),
    refused('provision', 'provision-epoch-0', 'the first epoch, written', 'MALFORMED', encode([...items, 0])),
    refused('provision', 'provision-ten', 'ten items', 'MALFORMED', encode([...items, 2, 2])),
    refused('provision', 'provision-version', 'version 2', 'UNSUPPORTED', encode([2, ...items.slice(1)])),
    refused(
      'provision',
      'provision-vendor',
      'a vendor id of 15 bytes',
      'MALFORMED',
      encode(items.map((item, i) => (i === 3 ? vendorId.slice(1) : item))),
    ),
  ];
}

export const LISTING = /(<!-- listing: [^\n]*-->\n```text\n)([\s\S]*?)(\n```)/;

async function main(): Promise<void> {
  const folder = new URL('../../vectors/format/', import.meta.url);
  const files: Record<string, unknown> = { ...(await formatVectors()), keys: keyVectors() };
  for (const [name, rows] of Object.entries(files)) {
    writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(rows, null, 2)}\n`);
  }
  const doc = new URL('../../../docs/FORMAT.md', import.meta.url);
  writeFileSync(
    doc,
    readFileSync(doc, 'utf8').replace(LISTING, (_, head, __, tail) => head + manifestListing() + tail),
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
