/**
 * The token of a server's API. It is 256 random bits, so its SHA-256 at rest gives nothing away and needs no salt and no
 * slow hash: those protect words that people choose. It opens the API and nothing more: whatever changes the ledger is
 * signed by a person's own key besides.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { unhex, utf8 } from '@countersign/device-sdk/format';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import { makeFolder, writeDurable } from '../../store/durable.ts';

const FORMAT = 'countersign-token-1';
const TOKEN_BYTES = 32;
/** A longer header is no token of ours; it is not even hashed. */
const HEADER_CHARS_MAX = 256;

export interface TokenGate {
  /** The token itself, on the one occasion when it was just made; it is stored nowhere. */
  readonly fresh: string | undefined;
  /** @param authorization the header as it came */
  accepts(authorization: string | undefined): boolean;
}

/**
 * Reads the hash of a server's token, or makes a token where there is none or another is wanted.
 * @param path of the file with the hash
 * @throws Refusal BAD_STORE
 */
export async function openToken(path: string, options: TokenOptions = {}): Promise<TokenGate> {
  if (!options.renew && (await exists(path))) return gate(await readHash(path), undefined);
  const token = newToken();
  await options.keep?.(token);
  await makeFolder(dirname(path), 0o700);
  const file = { format: FORMAT, sha256: hashOf(token).toString('hex') };
  await writeDurable(path, utf8(`${JSON.stringify(file)}\n`), { mode: 0o600 });
  return gate(hashOf(token), token);
}

export interface TokenOptions {
  /** Another token; the former is worth nothing from then on. */
  renew?: boolean;
  /** Given a token that was just made, before its hash is stored: a token that nobody has would lock everybody out. */
  keep?: (token: string) => Promise<void>;
}

/** 256 random bits. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** A gate for a token that the caller holds: for servers that live as long as a test or a demonstration. */
export function tokenGate(token: string): TokenGate {
  return gate(hashOf(token), token);
}

function gate(expected: Uint8Array, fresh: string | undefined): TokenGate {
  return {
    fresh,
    accepts(authorization) {
      const token = tokenIn(authorization);
      return token !== undefined && timingSafeEqual(hashOf(token), expected);
    },
  };
}

/** @returns the token of a header; undefined for another kind of header, or one too long to hold a token */
export function tokenIn(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > HEADER_CHARS_MAX) return undefined;
  return /^Bearer ([\w-]+)$/i.exec(authorization)?.[1];
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

async function readHash(path: string): Promise<Uint8Array> {
  const text = new TextDecoder().decode(await readSecretFile(path));
  try {
    const { format, sha256 } = JSON.parse(text);
    const hash = format === FORMAT && typeof sha256 === 'string' ? unhex(sha256) : undefined;
    demand(hash?.length === 32, 'BAD_STORE', `${path} is not a token file of this version`);
    return hash;
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('BAD_STORE', `${path} is not a token file`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
