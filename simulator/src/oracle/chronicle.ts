/**
 * The ledger, read again leaf by leaf by the judge alone: its own decoder, its own tree, another library's signatures.
 * It executes nothing that is not needed to say, for any head: was this release signed by everybody who must sign, was it
 * in the log, and was it the one that devices were to install?
 */
import { type Item, readCbor } from './cbor.ts';
import { hex, type JudgedKey, keyOf, sha256 } from './crypto.ts';
import { type Centres, implicitKeyOf, readImplicit } from './implicit.ts';
import { type JudgedRelease, readUploaded } from './release.ts';
import { type LoggedReport, reportOf } from './report.ts';
import type { Overheard } from './second.ts';
import { kindOf, readSigned, type Signed, signedOf } from './sign1.ts';
import { leafHashOf, Tree } from './tree.ts';

/** A rollout statement: from this leaf on it is the word about its class. */
interface Word {
  leafIndex: number;
  classId: string;
  releaseLeaf: string;
  sequence: number;
  open: boolean;
  /** SHA-256 of block 2. */
  second: string;
}

type Roles = Map<string, JudgedKey[]>;
const HEAD_TUPLE = -65539;
const OPEN = 0;

export class Chronicle {
  readonly releases = new Map<string, JudgedRelease>();
  readonly reports: LoggedReport[] = [];
  /** What is wrong with the ledger itself. */
  readonly problems: string[] = [];
  readonly tree = new Tree();
  readonly #people = new Map<string, JudgedKey>();
  readonly #words: Word[] = [];
  /** Of releases that are in the log: what was found wrong with them, once. */
  readonly #faults = new Map<string, string[]>();
  readonly #secondSigned = new Set<string>();
  #roles: Roles = new Map();
  #centres: Centres = new Map();
  /** Where the `issueKey` of each implicit key stands, by its thumbprint. */
  readonly #issued = new Map<string, number>();
  /** Of blocks that were read whole: the size of the tree behind them, and their time. */
  readonly #times: { size: number; time: number }[] = [];

  get entries(): number {
    return this.tree.size;
  }

  /** The next leaf. What cannot be read is a problem, not an end. @returns block 1 that must follow it, if any */
  add(bytes: Uint8Array): Uint8Array | undefined {
    const index = this.tree.size;
    this.tree.add(leafHashOf(bytes));
    try {
      if (index === 0) this.#readRoot(readCbor(bytes) as Item[]);
      else return this.#readLeaf(bytes, index);
    } catch (error) {
      this.problems.push(`entry ${index} cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    return undefined;
  }

  /** A block as it lies in a file: its leaves, and whether its head is signed over the tree that they make. */
  addBlock(bytes: Uint8Array): void {
    const [header, transactions, [, head]] = readCbor(bytes) as [Item[], Uint8Array[], Uint8Array[]];
    for (const transaction of transactions) {
      const follows = this.add(transaction);
      if (follows) this.add(follows);
    }
    const [number, size, root] = [header[2], header[7] as number, hex(header[8])];
    this.#times.push({ size, time: header[5] as number });
    if (this.tree.size !== size || this.tree.rootAt(size) !== root) {
      this.problems.push(`block ${number} claims another tree than its transactions make`);
    }
    const signed = readSigned(head!);
    const tuple = signed && (readCbor(signed.header.get(HEAD_TUPLE) as Uint8Array) as Item[]);
    const holds = signed && tuple?.[1] === size && this.#holds('log', signed, Buffer.from(root, 'hex'));
    if (!holds) this.problems.push(`the head of block ${number} is not signed by a log key`);
  }

  /** What a class's devices were to install under the head of this size. */
  currentAt(classId: string, size: number): { releaseLeaf: string; open: boolean } | undefined {
    return this.#words.findLast((word) => word.leafIndex < size && word.classId === classId);
  }

  /** The first leaf from this size on that says something else about the class; undefined where it is current still. */
  endOf(classId: string, releaseLeaf: string, from: number): number | undefined {
    const other = (word: Word) => !word.open || word.releaseLeaf !== releaseLeaf;
    return this.#words.find((word) => word.leafIndex >= from && word.classId === classId && other(word))?.leafIndex;
  }

  /** When the block with this leaf was made, in seconds; undefined where leaves were read without their blocks. */
  timeOf(leafIndex: number): number | undefined {
    let [low, high] = [0, this.#times.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle]!.size > leafIndex) high = middle;
      else low = middle + 1;
    }
    return this.#times[low]?.time;
  }

  /** What is missing of: two people, two signatures, its leaf in the log. Nothing for a release that is sound. */
  faultsOf(release: JudgedRelease): readonly string[] {
    const known = this.#faults.get(release.leaf);
    if (known) return known;
    const faults: string[] = [];
    const others = release.approvers.filter((kid) => kid !== release.uploader);
    if (!this.#people.has(release.uploader)) faults.push('was uploaded by nobody who was enrolled');
    if (others.length === 0) faults.push('was approved by no second person');
    const fits = release.first.payload && Buffer.compare(release.first.payload, release.suitDigest) === 0;
    const logged = release.leafIndex ?? this.tree.size;
    if (!fits || !this.#holds('collection', release.first, undefined, logged))
      faults.push('has no valid first signature');
    if (!release.confirmed || release.leafIndex === undefined) faults.push('is not in the log');
    if (release.leafIndex !== undefined) this.#faults.set(release.leaf, faults);
    return faults;
  }

  /** Whether a second signature was heard that a logged statement names and a distribution key made for this block 1. */
  isSecondSigned(release: JudgedRelease, overheard: Overheard): boolean {
    if (this.#secondSigned.has(release.leaf)) return true;
    const words = this.#words.filter(({ releaseLeaf }) => releaseLeaf === release.leaf);
    const signed = words.some(({ second: digest, leafIndex }) => {
      const bytes = overheard.block(digest);
      const second = bytes && readSigned(bytes);
      const confirms = second && (readCbor(second.header.get(-65537) as Uint8Array) as Item[]);
      if (!second || !confirms || hex(confirms[0]) !== release.leaf) return false;
      return this.#holds('distribution', second, release.suitDigest, leafIndex);
    });
    if (signed) this.#secondSigned.add(release.leaf);
    return signed;
  }

  #readRoot([payload, signatures]: Item[]): void {
    const [, , roles, , , , , , implicit] = readCbor(payload as Uint8Array) as Item[];
    const { centres, keys: issued } = readImplicit(implicit);
    this.#centres = centres;
    for (const [role, [, keys, prints]] of roles as Map<string, Item[][]>) {
      const listed = new Set(prints!.map(hex));
      const own = issued.filter((it) => it.role === role && listed.has(it.key.issued!)).map(({ key }) => key);
      this.#roles.set(role, [...keys!.map(keyOf), ...own]);
    }
    const [threshold] = (roles as Map<string, Item[]>).get('root')!;
    const signed = (signatures as Uint8Array[]).map((bytes) => signedOf(readCbor(bytes))!);
    const signers = this.#roles.get('root')!.filter((key) => signed.some((s) => s.holds(key, payload as Uint8Array)));
    if (signers.length < (threshold as number)) this.problems.push('the trust root is not signed by its root keys');
  }

  #readLeaf(bytes: Uint8Array, index: number): Uint8Array | undefined {
    const signed = readSigned(bytes);
    if (!signed) throw new RangeError('no COSE_Sign1');
    const kind = kindOf(signed.header);
    if (kind === 'report') this.reports.push(reportOf(signed, bytes, index));
    if (kind === 'rollout') this.#readRollout(signed, index);
    if (kind === 'tx') return this.#readTransaction(signed, index);
    if (kind !== undefined) return undefined;
    const release = this.releases.get(hex(leafHashOf(bytes)));
    if (release?.confirmed) release.leafIndex = index;
    else this.problems.push(`entry ${index} is a first signature that nobody confirmed`);
    return undefined;
  }

  #readRollout(signed: Signed, leafIndex: number): void {
    if (!this.#holds('command', signed)) this.problems.push(`rollout statement ${leafIndex} is not by a command key`);
    const fields = readCbor(signed.payload!) as Item[];
    const [, sequence, leaf, classId, state, second] = fields;
    const place = { leafIndex, classId: hex(classId), releaseLeaf: hex(leaf), second: hex(second) };
    this.#words.push({ ...place, sequence: sequence as number, open: state === OPEN });
  }

  #readTransaction(signed: Signed, index: number): Uint8Array | undefined {
    const [, action, object, , args] = readCbor(signed.payload!) as [string, string, Uint8Array, Uint8Array, Item];
    if (action === 'enrol') this.#enrol(args as Item[]);
    if (action === 'issueKey' && this.#isByPerson(signed)) this.#readIssue(args as Item[], index);
    if (action === 'upload' && this.#isByPerson(signed)) {
      const release = readUploaded(args, signed.kid);
      this.releases.set(release.leaf, release);
    }
    const release = this.releases.get(hex(object));
    if (action === 'approve' && release && this.#isByPerson(signed)) release.approvers.push(signed.kid);
    if (action !== 'confirm' || !release) return undefined;
    release.confirmed = true;
    return release.block1;
  }

  #enrol([what, , , key]: Item[]): void {
    if (what !== 'person') return;
    const person = keyOf(key);
    this.#people.set(person.kid, person);
  }

  /** The key has to show that somebody can sign with it: a centre can name points that nobody has the key of. */
  #readIssue([named, possession]: Item[], index: number): void {
    const { key } = implicitKeyOf(named, this.#centres);
    const proof = readSigned(possession as Uint8Array);
    const proven = proof && kindOf(proof.header) === 'possession' && proof.kid === key.kid && proof.holds(key);
    if (!proven) this.problems.push(`entry ${index} issues a key that signed no proof of possession`);
    else if (!this.#issued.has(key.issued!)) this.#issued.set(key.issued!, index);
  }

  #isByPerson(signed: Signed): boolean {
    const person = this.#people.get(signed.kid);
    return person !== undefined && signed.holds(person);
  }

  /** @param at where in the log it was used: an implicit key is on the record before */
  #holds(role: string, signed: Signed, detached?: Uint8Array, at = this.tree.size): boolean {
    const key = this.#roles.get(role)?.find(({ kid }) => kid === signed.kid);
    if (!key) return false;
    const known = key.issued === undefined || (this.#issued.get(key.issued) ?? at) < at;
    return known && signed.holds(key, detached);
  }
}

/** Of every image that was ever released: the releases that carry it, the oldest first. */
export function byImage({ releases }: Pick<Chronicle, 'releases'>, classId?: string): Map<string, JudgedRelease[]> {
  const images = new Map<string, JudgedRelease[]>();
  for (const release of releases.values()) {
    if (!release.confirmed || (classId !== undefined && release.classId !== classId)) continue;
    images.set(release.imageDigest, [...(images.get(release.imageDigest) ?? []), release]);
  }
  return images;
}

/** SHA-256 in hex, for images that lie in a slot. */
export function digestOf(bytes: Uint8Array): string {
  return hex(sha256(bytes));
}
