/** One release as the ledger's own leaves tell it: who uploaded, who approved, what block 1 signs, where it was logged. */
import { type Item, readCbor } from './cbor.ts';
import { hex, sha256 } from './crypto.ts';
import { bstr, readSigned, type Signed } from './sign1.ts';
import { leafHashOf } from './tree.ts';

export interface JudgedRelease {
  /** Leaf hash of block 1, in hex. */
  leaf: string;
  classId: string;
  sequence: number;
  version: string;
  manifestDigest: string;
  imageDigest: string;
  imageBytes: number;
  /** Further components. */
  components: { id: string; digest: string; bytes: number }[];
  /** The 36 bytes that both blocks sign. */
  suitDigest: Uint8Array;
  /** Tagged, with its payload: the leaf. */
  block1: Uint8Array;
  first: Signed;
  /** Key ids of those who signed the upload and the approvals. */
  uploader: string;
  approvers: string[];
  confirmed: boolean;
  /** Where block 1 stands in the log; undefined before. */
  leafIndex: number | undefined;
}

const COMPONENTS = 2;
const SHARED = 4;
const OVERRIDE_PARAMETERS = 20;
const PARAMETER = { classId: 2, imageDigest: 3, imageBytes: 14, label: -258 };

/** @param args of an upload: [bstr block 1, bstr manifest, …] */
export function readUploaded(args: Item, uploader: string): JudgedRelease {
  const [block1, manifest] = args as Uint8Array[];
  const members = readCbor(manifest!) as Map<Item, Item>;
  const common = readCbor(members.get(3) as Uint8Array) as Map<Item, Item>;
  const shared = readCbor(common.get(SHARED) as Uint8Array) as Item[];
  const at = shared.findIndex((item, i) => item === OVERRIDE_PARAMETERS && shared[i + 1] instanceof Map);
  const parameters = shared[at + 1] as Map<Item, Item>;
  const [, digest] = readCbor(parameters.get(PARAMETER.imageDigest) as Uint8Array) as Item[];
  const [version] = readCbor(parameters.get(PARAMETER.label) as Uint8Array) as Item[];
  const manifestDigest = sha256(bstr(2, manifest!));
  return {
    leaf: hex(leafHashOf(block1!)),
    classId: hex(parameters.get(PARAMETER.classId)),
    sequence: members.get(2) as number,
    version: version as string,
    manifestDigest: hex(manifestDigest),
    imageDigest: hex(digest),
    imageBytes: parameters.get(PARAMETER.imageBytes) as number,
    components: componentsOf(common.get(COMPONENTS) as Item[][], shared),
    suitDigest: Buffer.concat([Buffer.of(0x82, 0x2f), bstr(2, manifestDigest)]),
    block1: block1!,
    first: readSigned(block1!)!,
    uploader,
    approvers: [],
    confirmed: false,
    leafIndex: undefined,
  };
}

/** Behind target, running image and stream two names for each further component; its parameters behind the checks. */
function componentsOf(names: Item[][], shared: Item[]): JudgedRelease['components'] {
  const found: JudgedRelease['components'] = [];
  for (let i = 0; 3 + 2 * i < names.length; i++) {
    const parameters = shared[8 + 4 * i + 3] as Map<Item, Item>;
    const [, digest] = readCbor(parameters.get(PARAMETER.imageDigest) as Uint8Array) as Item[];
    const id = Buffer.from(names[3 + 2 * i]![0] as Uint8Array).toString();
    found.push({ id, digest: hex(digest), bytes: parameters.get(PARAMETER.imageBytes) as number });
  }
  return found;
}
