/**
 * Tokens of people and machines beside the folder's own. A token is 256 random bits, shown once; at rest there is its
 * scrypt hash with a salt of its own. A token is found by its id, the first bytes of its SHA-256: whoever presents none
 * of ours is refused after that one hash, so strangers cannot make the server run scrypt, and lock nobody out.
 */
import { createHash, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { hex, unhex, utf8 } from '@countersign/device-sdk/format';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import { serial } from '../../ledger/serial.ts';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import { newToken } from '../api/token.ts';
import type { Scope } from './rights.ts';

const FORMAT = 'countersign-api-token-1';
/** 16 MB and some 30 ms on one core (128 N r): RFC 7914's cost for what is checked online. */
const COST = { N: 16_384, r: 8, p: 1 } as const;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
/** 64 bits: to meet one by chance, or on purpose to make scrypt run, takes 2^63 tries. */
const ID_DIGITS = 16;
/**
 * People and machines of one installation; each has a file and some bytes of memory. Those that are over are kept as long
 * as there is room, for people to read; they keep nobody out.
 */
export const TOKENS_MAX = 256;
export const DAYS_MAX = 366;
/** A use is written down this often at most: a fleet of requests is not a fleet of fsyncs. */
const NOTED_SECONDS = 60;

export interface TokenGrant {
  kind: 'person' | 'machine';
  /** Of the person on the record, or what a machine is called. */
  name: string;
  scopes: readonly Scope[];
  /** Class ids; undefined for all products. */
  products?: readonly string[] | undefined;
}

export interface TokenView extends TokenGrant {
  id: string;
  /** Seconds since the epoch. */
  createdAt: number;
  expiresAt: number;
  /** To the minute; null where it was never used. */
  usedAt: number | null;
  revokedAt: number | null;
}

interface TokenFile extends TokenView {
  format: typeof FORMAT;
  kdf: { name: 'scrypt'; N: number; r: number; p: number };
  salt: string;
  hash: string;
}

export interface Tokens {
  /** @returns the token, on the one occasion on which it is shown. @throws Refusal BAD_REQUEST, TOO_LARGE */
  issue(grant: TokenGrant, days: number): Promise<{ token: string; view: TokenView }>;
  /** @returns undefined for what is no token of ours, or a revoked one. @throws Refusal EXPIRED */
  find(token: string): Promise<TokenView | undefined>;
  /** @throws Refusal NOT_FOUND */
  revoke(id: string): Promise<TokenView>;
  list(): TokenView[];
  /** Whether what was let in with it may stay: neither revoked nor over. */
  stands(id: string): boolean;
  /** Calls with the id of each token that is revoked, when it is. @returns ends it */
  onRevoked(call: (id: string) => void): () => void;
  /** Until what was noted is written. */
  close(): Promise<void>;
}

/** @param now seconds since the epoch. @throws Refusal BAD_STORE for a damaged file */
export async function openTokens(folder: string, now = () => Math.floor(Date.now() / 1000)): Promise<Tokens> {
  const files = new Map((await readAll(folder)).map((file) => [file.id, file]));
  /** Ids of tokens that scrypt found right in this process, by their whole SHA-256. */
  const seen = new Map<string, string>();
  /** Hashes that are being computed: a burst of requests with one token is one run of scrypt. */
  const underWay = new Map<string, Promise<boolean>>();
  const revoked = new Set<(id: string) => void>();
  const inTurn = serial();

  return {
    issue: (grant, days) => inTurn(() => issue(grant, days)),
    find,
    revoke: (id) =>
      inTurn(async () => {
        const file = files.get(id);
        if (!file) throw new Refusal('NOT_FOUND', `there is no token ${id.slice(0, ID_DIGITS)}`);
        const view = viewOf(await keep({ ...file, revokedAt: file.revokedAt ?? now() }));
        for (const call of revoked) call(id);
        return view;
      }),
    stands: (id) => {
      const file = files.get(id);
      return file !== undefined && !isOver(file);
    },
    onRevoked(call) {
      revoked.add(call);
      return () => void revoked.delete(call);
    },
    close: () => inTurn(async () => undefined),
    list: () => [...files.values()].map(viewOf).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)),
  };

  async function issue(grant: TokenGrant, days: number): Promise<{ token: string; view: TokenView }> {
    const live = [...files.values()].filter((file) => !isOver(file)).length;
    demand(live < TOKENS_MAX, 'TOO_LARGE', `${TOKENS_MAX} tokens are in use: revoke one first`);
    const good = Number.isInteger(days) && days >= 1 && days <= DAYS_MAX;
    demand(good, 'BAD_REQUEST', `a token lasts 1 to ${DAYS_MAX} days`);
    const token = newToken();
    const salt = randomBytes(SALT_BYTES);
    const createdAt = now();
    await makeFolder(folder, 0o700);
    await makeRoom();
    const file = await keep({
      ...{ format: FORMAT, id: digestOf(token).slice(0, ID_DIGITS), ...grant },
      ...{ createdAt, expiresAt: createdAt + days * 86_400, usedAt: null, revokedAt: null },
      ...{ kdf: { name: 'scrypt', ...COST }, salt: hex(salt), hash: hex(await derive(token, salt, COST)) },
    });
    return { token, view: viewOf(file) };
  }

  function isOver({ revokedAt, expiresAt }: TokenFile): boolean {
    return revokedAt !== null || now() >= expiresAt;
  }

  /** The one that is over for longest goes first. A crash that keeps its file brings back a token that opens nothing. */
  async function makeRoom(): Promise<void> {
    const over = [...files.values()].filter(isOver).sort((a, b) => endOf(a) - endOf(b));
    for (const { id } of over.slice(0, Math.max(0, files.size - TOKENS_MAX + 1))) {
      await rm(join(folder, `${id}.json`), { force: true });
      files.delete(id);
      for (const [digest, seenId] of seen) if (seenId === id) seen.delete(digest);
    }
  }

  async function find(token: string): Promise<TokenView | undefined> {
    const digest = digestOf(token);
    const file = files.get(digest.slice(0, ID_DIGITS));
    if (!file || file.revokedAt !== null) return undefined;
    if (seen.get(digest) !== file.id) {
      const right = underWay.get(digest) ?? isRight(token, file).finally(() => underWay.delete(digest));
      underWay.set(digest, right);
      if (!(await right)) return undefined;
      // Revoked while it was computed: what was looked at before is over.
      if (files.get(file.id)?.revokedAt !== null) return undefined;
      seen.set(digest, file.id);
    }
    demand(now() < file.expiresAt, 'EXPIRED', `token ${file.id} of ${file.name} has expired`);
    note(file.id);
    return viewOf(file);
  }

  async function isRight(token: string, { salt, kdf, hash }: TokenFile): Promise<boolean> {
    return timingSafeEqual(await derive(token, unhex(salt)!, kdf), unhex(hash)!);
  }

  /** When it was used last is for people to read: a crash may lose the last minute of it. */
  function note(id: string): void {
    const file = files.get(id)!;
    if (file.usedAt !== null && Math.abs(now() - file.usedAt) < NOTED_SECONDS) return;
    const used = { ...file, usedAt: now() };
    files.set(id, used);
    // In turn, and from what is known then: a revocation meanwhile must not be undone by it.
    void inTurn(async () => {
      const latest = files.get(id);
      if (latest) await write({ ...latest, usedAt: used.usedAt });
    }).catch(() => undefined);
  }

  async function keep(file: TokenFile): Promise<TokenFile> {
    await write(file);
    files.set(file.id, file);
    return file;
  }

  async function write(file: TokenFile): Promise<void> {
    await writeDurable(join(folder, `${file.id}.json`), utf8(`${JSON.stringify(file)}\n`), { mode: 0o600 });
  }
}

/** Seconds since the epoch. */
function endOf({ expiresAt, revokedAt }: TokenFile): number {
  return Math.min(expiresAt, revokedAt ?? expiresAt);
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function derive(token: string, salt: Uint8Array, { N, r, p }: Pick<ScryptOptions, 'N' | 'r' | 'p'>): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(token, salt, HASH_BYTES, { N: N!, r: r!, p: p! }, (error, key) => (error ? reject(error) : resolve(key))),
  );
}

function viewOf({ id, kind, name, scopes, products, createdAt, expiresAt, usedAt, revokedAt }: TokenFile): TokenView {
  return { id, kind, name, scopes, ...(products && { products }), createdAt, expiresAt, usedAt, revokedAt };
}

async function readAll(folder: string): Promise<TokenFile[]> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw new Refusal('BAD_STORE', `${folder} cannot be read`, { cause });
  });
  const own = names.filter((name) => /^[0-9a-f]{16}\.json$/.test(name));
  return Promise.all(own.map((name) => readOne(join(folder, name), name.slice(0, ID_DIGITS))));
}

async function readOne(path: string, id: string): Promise<TokenFile> {
  const bytes = await readSecretFile(path);
  try {
    const file = JSON.parse(new TextDecoder().decode(bytes)) as TokenFile;
    const { format, kdf, salt, hash, scopes, expiresAt } = file;
    // A planted file must not ask for more memory and time than ours do.
    const cost = kdf.N <= COST.N && kdf.r <= COST.r && kdf.p <= COST.p;
    const shaped = unhex(hash)?.length === HASH_BYTES && unhex(salt) && Array.isArray(scopes);
    demand(format === FORMAT && file.id === id && cost && shaped && expiresAt > 0, 'BAD_STORE', path);
    return file;
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} is not a token file of this version`, { cause });
  }
}
