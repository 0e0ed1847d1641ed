/** Bundles of a stranger: what reads and checks one refuses each by its code, and takes the true one afterwards. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Code } from '@countersign/device-sdk';
import { concat, decode, encode, framesBytes, hex, type Payload, type Value } from '@countersign/device-sdk/format';
import { checkBundle } from '@countersign/device-sdk/host/bundle/check';
import { BundleFile } from '@countersign/device-sdk/host/bundle/file';
import {
  BUNDLE_HEAD_BYTES_MAX,
  BUNDLE_ROOTS_MAX,
  type BundleHead,
  encodeHead,
  encodeStart,
  START_BYTES,
} from '@countersign/device-sdk/host/bundle/format';
import type { BundledIssue } from '@countersign/device-sdk/host/bundle/issued';
import type { Ground, Variant } from '../attack.ts';
import { implicitRoot, issuance } from '../centre.ts';
import { flipped } from '../forge.ts';
import { pocketBundle } from '../pocket/bundle.ts';
import { PocketServer, verifier } from '../pocket/publisher.ts';
import { changed, image } from '../scene.ts';
import { codeFrom } from '../server/try.ts';
import { recorded } from './centre.ts';

const { sha256 } = verifier;

/** The bundle of release 2 as an honest publisher makes it. */
interface Honest {
  server: PocketServer;
  head: BundleHead;
  /** The payload of release 1. */
  older: Payload;
}

type Forge = (honest: Honest) => Uint8Array;

/** @param issued both signers have keys of a key generation centre, and the bundle shows that they are on the record */
async function publish(issued: boolean): Promise<Honest> {
  const keys = issued ? await issuance() : undefined;
  const server = await PocketServer.create('M', keys && implicitRoot(keys));
  if (keys) await recorded(server, keys, [keys.c1, keys.d1]);
  const first = await server.publish(image(3));
  await server.publish(changed(first.image, 5), { bases: [first] });
  const head = await pocketBundle(server, first.leafIndex + 1);
  return { server, head, older: first.manifest.branches[0]!.payload };
}

async function believe(ground: Ground, { server }: Honest, bytes: Uint8Array): Promise<void> {
  const path = join(await ground.folder(), 'bundle');
  await writeFile(path, bytes);
  const file = new BundleFile(path, sha256);
  ground.after(() => file.close());
  checkBundle(verifier, file, server.rootBytes);
}

/** A whole file under a digest that fits; frames that nobody has published are zeros of the right length. */
function written({ server, head, older }: Honest, change: Partial<BundleHead> = {}): Uint8Array {
  const lie = { ...head, ...change };
  const known = [...head.payloads, older].map(shownOf);
  const frames = lie.payloads.flatMap((payload) =>
    known.includes(shownOf(payload)) ? server.frames(payload) : [new Uint8Array(framesBytes(payload))],
  );
  return concat(encodeStart(sha256, lie), ...frames);
}

function shownOf({ chainHead, bytes, frameBytes, frameCount }: Payload): string {
  return `${hex(chainHead)} ${bytes} ${frameBytes} ${frameCount}`;
}

/** Where the length of the head part stands: before it the magic, behind it the digest. */
const LENGTH_AT = START_BYTES - 32 - 4;

/** The head part is another value altogether. */
function reheaded(honest: Honest, change: (items: Value[]) => Value): Uint8Array {
  const whole = written(honest);
  const old = encodeHead(honest.head);
  const head = encode(change(decode(old) as Value[]));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, head.length);
  const frames = whole.subarray(START_BYTES + old.length);
  return concat(whole.subarray(0, LENGTH_AT), length, sha256(head), head, frames);
}

function stranger(what: string, expect: Code, forge: Forge, issued = false): Variant {
  return {
    how: `hands over ${what}`,
    expect,
    async run(ground) {
      const honest = await publish(issued);
      const code = await codeFrom(believe(ground, honest, forge(honest)));
      if (!code) return { harm: 'it was believed', codes: [] };
      const after = await codeFrom(believe(ground, honest, written(honest)));
      return { harm: after && `the true bundle was refused afterwards: ${after}`, codes: [code] };
    },
  };
}

const lying = (what: string, expect: Code, change: (honest: Honest) => Partial<BundleHead>): Variant =>
  stranger(what, expect, (honest) => written(honest, change(honest)));

const first = ({ head }: Honest): Payload => head.payloads[0]!;

/** 400 MB, which a head part may promise of one payload and not of two. */
const LARGE = 400 * 1024 * 1024;

function promised({ server, head }: Honest): Uint8Array {
  const frameCount = LARGE / 1024;
  const payloads = [1, 2].map((fill) => ({
    ...{ chainHead: new Uint8Array(32).fill(fill), bytes: LARGE, frameBytes: 1024, frameCount },
  }));
  return concat(encodeStart(sha256, { ...head, payloads }), ...server.frames(head.payloads[0]!));
}

function lengthened(honest: Honest): Uint8Array {
  const bytes = written(honest);
  new DataView(bytes.buffer).setUint32(LENGTH_AT, BUNDLE_HEAD_BYTES_MAX + 1);
  return bytes;
}

/** Row 24: files that no publisher writes. */
export const bundleFormRows: Variant[] = [
  stranger('a file that is no bundle', 'MALFORMED', (honest) => flipped(written(honest), 0)),
  stranger('five bytes for a bundle', 'MALFORMED', (honest) => written(honest).slice(0, 5)),
  stranger('a bundle with a bit turned in the digest of its head part', 'MALFORMED', (honest) =>
    flipped(written(honest), START_BYTES - 1),
  ),
  stranger('a bundle that is cut in its head part', 'MALFORMED', (honest) => written(honest).slice(0, START_BYTES + 9)),
  stranger('a bundle that is cut in its last frame', 'MALFORMED', (honest) => written(honest).slice(0, -1)),
  stranger('a bundle with a byte behind its frames', 'MALFORMED', (honest) =>
    concat(written(honest), Uint8Array.of(0)),
  ),
  stranger('a bundle that promises a head part without end', 'TOO_LARGE', lengthened),
  stranger('a bundle that promises frames without end', 'TOO_LARGE', promised),
  stranger('a bundle of another version', 'UNSUPPORTED', (honest) => reheaded(honest, (items) => items.with(0, 2))),
  stranger('a bundle whose head part has an element more', 'MALFORMED', (honest) =>
    reheaded(honest, (items) => [...items, [], 0]),
  ),
  lying('a bundle with more trust roots than a log has', 'TOO_LARGE', ({ server }) => ({
    roots: Array.from({ length: BUNDLE_ROOTS_MAX + 1 }, () => server.rootBytes),
  })),
  lying('a bundle with a signature of more than a kilobyte', 'TOO_LARGE', () => ({ entries: [new Uint8Array(1_025)] })),
  lying('a bundle whose payload has a frame too many', 'MALFORMED', (honest) => ({
    payloads: [{ ...first(honest), frameCount: first(honest).frameCount + 1 }],
  })),
  lying('a bundle with one payload twice', 'MALFORMED', (honest) => ({ payloads: [first(honest), first(honest)] })),
  lying('a bundle with half a leaf', 'MALFORMED', ({ head: { growth } }) => ({
    growth: { ...growth!, leaves: growth!.leaves.slice(0, -16) },
  })),
  lying('a bundle with a peak too many', 'MALFORMED', ({ head: { growth } }) => ({
    growth: { ...growth!, peaks: [...growth!.peaks, growth!.peaks[0]!] },
  })),
  lying('a bundle with an empty list of issued keys', 'MALFORMED', () => ({ issued: [] })),
];

/** Row 39: bundles in which every digest fits, and that say what is not so. */
export const bundleLieRows: Variant[] = [
  lying('a bundle without a trust root', 'BAD_ROOT', () => ({ roots: [] })),
  lying('a bundle in the name of another log', 'BAD_ROOT', () => ({ origin: 'other.example/log' })),
  lying('a bundle for another class', 'WRONG_CLASS', () => ({ classId: new Uint8Array(16) })),
  lying('a bundle under another version', 'BAD_CHAIN', () => ({ version: '9.9.9' })),
  lying('a bundle under another sequence', 'BAD_CHAIN', () => ({ sequence: 9 })),
  lying('a bundle of a log without peers that does not show how it has grown', 'SPLIT_VIEW', () => ({ growth: null })),
  lying('a bundle that shows the growth of another log', 'SPLIT_VIEW', ({ head: { growth } }) => ({
    growth: { ...growth!, leaves: flipped(Uint8Array.from(growth!.leaves), -1) },
  })),
  lying('a bundle with another release before its own', 'BAD_CHAIN', ({ server }) => ({
    entries: [server.releases[1]!.leaf],
  })),
  lying('a bundle with the frames of the release before', 'NOT_FOUND', ({ older }) => ({ payloads: [older] })),
  stranger('a bundle with a bit turned in its last frame', 'BAD_FRAME', (honest) => flipped(written(honest), -1)),
];

/** Of a bundle whose release needs them, the issued keys are others. */
const issuing = (what: string, expect: Code, change: (issued: BundledIssue[]) => BundledIssue[] | undefined): Variant =>
  stranger(what, expect, (honest) => written(honest, { issued: change(honest.head.issued!) }), true);

/** Row 30: in the file itself the signers' keys are not on the record. */
export const bundleIssueRows: Variant[] = [
  issuing('a bundle that leaves the issued keys out', 'NO_RECEIPT', () => undefined),
  issuing('a bundle with its issued keys in another order', 'NO_RECEIPT', ([one, other]) => [other!, one!]),
  issuing('a bundle with one issued key twice', 'MALFORMED', ([one]) => [one!, one!]),
  issuing('a bundle with an issued key of more than a kilobyte', 'TOO_LARGE', ([one, other]) => [
    { ...one!, entry: new Uint8Array(1_025) },
    other!,
  ]),
  issuing('a bundle with the other signer’s entry under an issued key', 'NO_RECEIPT', ([one, other]) => [
    { ...other!, thumbprint: one!.thumbprint },
    other!,
  ]),
  issuing('a bundle with an issued key at another place of the log', 'NO_RECEIPT', ([one, other]) => [
    { ...one!, leafIndex: other!.leafIndex },
    other!,
  ]),
  lying('a bundle with an issued key that nobody needs', 'MALFORMED', () => ({
    issued: [{ thumbprint: new Uint8Array(32), entry: new Uint8Array(9), leafIndex: 0, path: [] }],
  })),
];
