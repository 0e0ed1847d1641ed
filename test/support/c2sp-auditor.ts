/**
 * An auditor who knows the specifications of c2sp.org and has none of our code: node:crypto, fetch and what the pages
 * say. Given a verifier key and an address it downloads a log, recomputes its root, and verifies proofs.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';

export interface AuditorKey {
  name: string;
  id: Buffer;
  type: number;
  key: ReturnType<typeof createPublicKey>;
}

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leafOf = (entry: Uint8Array) => sha256(Uint8Array.of(0), entry);
const nodeOf = (left: Uint8Array, right: Uint8Array) => sha256(Uint8Array.of(1), left, right);

export function auditorKey(vkey: string): AuditorKey {
  const [, name, id, rest] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey)!;
  const bytes = Buffer.from(rest!, 'base64');
  const [type, material] = [bytes[0]!, bytes.subarray(1)];
  const ed25519 = type === 1 || type === 4;
  const computed = ed25519 ? sha256(Buffer.from(`${name}\n`), bytes) : sha256(material);
  if (computed.subarray(0, 4).toString('hex') !== id) throw new Error('the key id is not that of the key');
  const spki = ed25519 ? Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), material]) : material;
  return {
    name: name!,
    id: Buffer.from(id!, 'hex'),
    type,
    key: createPublicKey({ key: spki, format: 'der', type: 'spki' }),
  };
}

/** True where the note carries a signature of the key that verifies. */
export function isSignedNote(note: Buffer, key: AuditorKey): boolean {
  const end = note.lastIndexOf('\n\n');
  const text = note.subarray(0, end + 1);
  const lines = note
    .subarray(end + 2)
    .toString()
    .split('\n')
    .slice(0, -1);
  return lines.some((line) => {
    const [, name, encoded] = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
    const bytes = Buffer.from(encoded ?? '', 'base64');
    if (name !== key.name || !bytes.subarray(0, 4).equals(key.id)) return false;
    const signature = bytes.subarray(4);
    if (key.type === 1) return verify(null, text, key.key, signature);
    if (key.type === 2) return verify('sha256', text, key.key, signature);
    const head = Buffer.from(`cosignature/v1\ntime ${signature.readBigUInt64BE()}\n`);
    return verify(null, Buffer.concat([head, text]), key.key, signature.subarray(8));
  });
}

export function checkpointOf(note: Buffer, key: AuditorKey): { size: number; root: string } {
  if (!isSignedNote(note, key)) throw new Error('the checkpoint is not signed');
  const [origin, size, root] = note.toString().split('\n');
  if (origin !== key.name) throw new Error(`the checkpoint is of ${origin}`);
  return { size: Number(size), root: root! };
}

/** MTH of RFC 6962, section 2.1, as it is written there. */
function merkleRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const k = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return nodeOf(merkleRoot(leaves.slice(0, k)), merkleRoot(leaves.slice(k)));
}

async function download(url: string, token?: string): Promise<Buffer> {
  const answer = await fetch(url, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  if (answer.status !== 200) throw new Error(`${url} gives ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
}

/** Paths of the tiles of one level, by the arithmetic of the page. */
export function tilePaths(level: string, count: number): string[] {
  const paths = [];
  for (let n = 0; n * 256 < count; n++) {
    const width = Math.min(256, count - n * 256);
    const groups = [];
    for (let rest = n, first = true; first || rest > 0; rest = Math.floor(rest / 1000), first = false)
      groups.unshift(`${first ? '' : 'x'}${String(rest % 1000).padStart(3, '0')}`);
    paths.push(`tile/${level}/${groups.join('/')}${width === 256 ? '' : `.p/${width}`}`);
  }
  return paths;
}

export interface WholeLog {
  size: number;
  entries: Buffer[];
}

/** Downloads everything, and believes nothing of it but the checkpoint's signature. @throws Error where it does not fit */
export async function auditLog(prefix: string, vkey: string, token?: string): Promise<WholeLog> {
  const { size, root } = checkpointOf(await download(`${prefix}/checkpoint`), auditorKey(vkey));
  const levels: Buffer[][] = [];
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / 256)) {
    const tiles = [];
    for (const path of tilePaths(String(level), count)) tiles.push(await download(`${prefix}/${path}`));
    const bytes = Buffer.concat(tiles);
    if (bytes.length !== count * 32) throw new Error(`level ${level} has ${bytes.length} bytes for ${count} hashes`);
    levels.push(Array.from({ length: count }, (_, i) => bytes.subarray(i * 32, i * 32 + 32)));
  }
  const entries: Buffer[] = [];
  for (const path of tilePaths('entries', size)) {
    const bundle = await download(`${prefix}/${path}`, token);
    for (let at = 0; at < bundle.length; ) {
      const length = bundle.readUInt16BE(at);
      entries.push(bundle.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  if (entries.length !== size) throw new Error(`${entries.length} entries of ${size}`);
  const leaves = entries.map(leafOf);
  levels.forEach((hashes, level) => {
    hashes.forEach((hash, i) => {
      const span = 256 ** level;
      const expected = merkleRoot(leaves.slice(i * span, (i + 1) * span));
      if (!hash.equals(expected)) throw new Error(`hash ${i} of level ${level} is not that of its entries`);
    });
  });
  if (merkleRoot(leaves).toString('base64') !== root) throw new Error('the root is not that of the entries');
  return { size, entries };
}

/** Verifies a `.tlog-proof` for an entry. @returns the tree size it was proven in */
export function verifyProof(proof: Buffer, entry: Uint8Array, vkey: string): number {
  const end = proof.indexOf('\n\n');
  const [first, indexLine, ...path] = proof.subarray(0, end).toString().split('\n');
  if (first !== 'c2sp.org/tlog-proof@v1') throw new Error('not a proof');
  const { size, root } = checkpointOf(proof.subarray(end + 2), auditorKey(vkey));
  const hashes = path.map((line) => Buffer.from(line, 'base64'));
  const index = Number(/^index (\d+)$/.exec(indexLine!)![1]);
  const led = climb(index, size, leafOf(entry), hashes);
  if (hashes.length > 0 || led.toString('base64') !== root) throw new Error('the path does not lead to the root');
  return size;
}

/** The root over leaves [0, size) from one leaf and its siblings, split as RFC 6962, section 2.1.1, splits. */
function climb(index: number, size: number, leaf: Buffer, path: Buffer[]): Buffer {
  if (size === 1) return leaf;
  const sibling = path.pop();
  if (!sibling) throw new Error('the path is too short');
  const k = 2 ** Math.floor(Math.log2(size - 1));
  if (index < k) return nodeOf(climb(index, k, leaf, path), sibling);
  return nodeOf(sibling, climb(index - k, size - k, leaf, path));
}
