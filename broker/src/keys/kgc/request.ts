/** A server asks a key generation centre for its key. What the centre answers is worth nothing to anybody else. */
import { existsSync } from 'node:fs';
import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { compressed } from '@countersign/device-sdk/crypto/p256-point';
import {
  ALG_ESP256,
  decode,
  encode,
  hex,
  type Identity,
  type ImplicitKey,
  implicitPublicKey,
  implicitThumbprint,
  type PublicKey,
  type Sha256,
  signStatement,
  thumbprint,
  unhex,
} from '@countersign/device-sdk/format';
import { createKey, loadPair } from '@countersign/device-sdk/host/key-file';
import { issueKeyArgs, possessionValue, readIssueKeyArgs } from '../../ledger/contract/issue-key-args.ts';
import { writeDurable } from '../../store/durable.ts';
import { finishKey } from './ecqv.ts';
import { readIdentity } from './list.ts';
import { implicitSigner } from './signer.ts';

export interface KeyRequest {
  /** Where the server's keys lie. */
  folder: string;
  identity: Identity;
  /** The centre's key, known from elsewhere: whoever answers with another one is not the centre. */
  centre: PublicKey;
  passphrase?: string | undefined;
  /** Beside the keys that are there, for a trust root to come. */
  next?: boolean | undefined;
  sha256: Sha256;
  /** @param point compressed, hex. @returns the centre's answer as it came */
  ask(point: string): Promise<unknown>;
}

export interface ReceivedKey {
  key: ImplicitKey;
  /** For the ledger's `issueKey`: (identity, point) with the proof that this key signs. */
  issuedFile: string;
}

/** @param number which key of the role: `<role>.2.key` has `<role>.2.issued` beside it */
export function issuedPath(folder: string, role: string, number = 1): string {
  return join(folder, number === 1 ? `${role}.issued` : `${role}.${number}.issued`);
}

/**
 * The request's secret is on disk before anything is sent, and the finished key before the request is thrown away: a
 * crash between any two steps is continued by asking again.
 * @throws Refusal EXISTS where the server has a key of this role and `next` is not set; BAD_KEY for an answer that makes no key; the centre's
 */
export async function requestKey(options: KeyRequest): Promise<ReceivedKey> {
  const { folder, centre, passphrase, sha256, ask } = options;
  const identity = readIdentity(options.identity);
  const number = firstFree(folder, identity.role);
  demand(
    number === 1 || options.next,
    'EXISTS',
    `${pathOf(folder, identity.role, 1)} is there: a key is never replaced`,
  );
  const path = pathOf(folder, identity.role, number);
  const pending = join(folder, `${identity.role}.request`);
  if (!existsSync(pending)) await createKey(pending, 'request', { alg: ALG_ESP256, passphrase });
  const request = await loadPair(pending, 'request', passphrase);
  const answer = readAnswer(await ask(hex(compressed(request.publicKey))));
  const key: ImplicitKey = { ...identity, centre: thumbprint(sha256, centre), point: answer.point };
  const pair = finishKey(request.secret, answer, implicitThumbprint(sha256, key), centre.bytes);
  const signer = implicitSigner(sha256, key, centre, pair.secret);
  const possession = await signStatement(sha256, 'possession', possessionValue(answer.nonce), signer);
  const issuedFile = issuedPath(folder, identity.role, number);
  await writeDurable(issuedFile, encode(issueKeyArgs({ key, possession })));
  const implicit = { key: implicitPublicKey(sha256, key, centre).bytes, epoch: identity.epoch };
  await createKey(path, identity.role, { pair, implicit, name: identity.name, passphrase });
  await unlink(pending);
  return { key, issuedFile };
}

/** The number under which the server's key ring looks for its next key. */
function firstFree(folder: string, role: string): number {
  let number = 1;
  while (existsSync(pathOf(folder, role, number))) number++;
  return number;
}

function pathOf(folder: string, role: string, number: number): string {
  return join(folder, number === 1 ? `${role}.key` : `${role}.${number}.key`);
}

/** What `requestKey` left for the ledger. @throws Refusal NOT_FOUND, MALFORMED */
export async function readIssued(path: string): Promise<ReturnType<typeof readIssueKeyArgs>> {
  const bytes = await readFile(path).catch((cause) => {
    throw new Refusal('NOT_FOUND', `${path} cannot be read`, { cause });
  });
  return readIssueKeyArgs(decode(new Uint8Array(bytes)));
}

function readAnswer(answer: unknown): { point: Uint8Array; r: Uint8Array; nonce: Uint8Array } {
  const { point, r, nonce } = Object(answer) as Record<string, unknown>;
  const [p, s, n] = [point, r, nonce].map((item) => (typeof item === 'string' ? unhex(item) : undefined));
  const good = p?.length === 33 && s?.length === 32 && n?.length === 16;
  demand(good, 'BAD_KEY', 'the centre answers something else than a share');
  return { point: p, r: s, nonce: n };
}
