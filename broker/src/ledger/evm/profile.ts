/** How one process reaches the chain: a JSON file named by `--evm-profile`. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';

export interface EvmProfile {
  /** `http:` or `https:`; `ws:` and `wss:` besides wake the reader at every block. */
  rpc: string;
  /** The node must be on this chain, or a key signs for another one. */
  chainId: number;
  /** The contract's address, or undefined: deployed at the first start. */
  contract: `0x${string}` | undefined;
  /** Block from which its events are read. 0 reads the whole chain. */
  fromBlock: number;
  /** A file with the secret in hex, mode 0600, or an account that a node or signer keeps. Who only reads needs none. */
  account: { keyFile: string } | { address: `0x${string}`; signer: string } | undefined;
  /** Blocks that must stand on a block before its entries are taken. */
  confirmations: number;
  /** Milliseconds between two looks at the chain. */
  pollMs: number;
  /** Milliseconds for one transaction to be final, and for one question to the node at most ten thousand of them. */
  timeoutMs: number;
  /** No transaction of ours may cost more gas. */
  gasMax: number;
}

/** A proposal with 16 contents costs less than half of it. */
const GAS_MAX = 3_000_000;
/** Ethereum's own finality is 64 blocks; nobody waits for more than a day. */
const CONFIRMATIONS_MAX = 10_000;
const TIMEOUT_MS_MAX = 24 * 3600 * 1000;
const FIELDS = ['rpc', 'chainId', 'contract', 'fromBlock', 'account', 'confirmations', 'pollMs', 'timeoutMs', 'gasMax'];
const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/** @throws Refusal BAD_STORE where the file cannot be read, BAD_REQUEST where it says something else */
export async function readProfile(path: string): Promise<EvmProfile> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new Refusal('BAD_STORE', `the EVM profile ${path} cannot be read`, { cause });
  }
  return parseProfile(value, dirname(path));
}

/** @param folder names in the profile are relative to it. @throws Refusal BAD_REQUEST */
export function parseProfile(value: unknown, folder: string): EvmProfile {
  demand(typeof value === 'object' && value !== null, 'BAD_REQUEST', 'an EVM profile is a JSON object');
  const fields = value as Record<string, unknown>;
  const unknown = Object.keys(fields).filter((name) => !FIELDS.includes(name));
  demand(unknown.length === 0, 'BAD_REQUEST', `an EVM profile has no field ${unknown.join(', ')}`);
  return {
    rpc: url(fields.rpc, 'rpc', ['http:', 'https:', 'ws:', 'wss:']),
    chainId: whole(fields.chainId, 'chainId', 1, Number.MAX_SAFE_INTEGER),
    contract: fields.contract === 'deploy' ? undefined : address(fields.contract, 'contract'),
    fromBlock: whole(fields.fromBlock ?? 0, 'fromBlock', 0, Number.MAX_SAFE_INTEGER),
    account: account(fields.account, folder),
    // Without a word about it the depth of a public chain is assumed: a wrong guess here may only cost time.
    confirmations: whole(fields.confirmations ?? 64, 'confirmations', 0, CONFIRMATIONS_MAX),
    pollMs: whole(fields.pollMs ?? 1_000, 'pollMs', 10, 60_000),
    timeoutMs: whole(fields.timeoutMs ?? 30 * 60 * 1000, 'timeoutMs', 1_000, TIMEOUT_MS_MAX),
    gasMax: whole(fields.gasMax ?? GAS_MAX, 'gasMax', 21_000, 30_000_000),
  };
}

function account(value: unknown, folder: string): EvmProfile['account'] {
  if (value === undefined) return undefined;
  demand(typeof value === 'object' && value !== null, 'BAD_REQUEST', 'account is {keyFile} or {address, signer}');
  const { keyFile, address: of, signer, ...rest } = value as Record<string, unknown>;
  const one = Object.keys(rest).length === 0 && (keyFile === undefined) !== (of === undefined && signer === undefined);
  demand(one, 'BAD_REQUEST', 'account is {keyFile} or {address, signer}');
  if (keyFile === undefined)
    return { address: address(of, 'account'), signer: url(signer, 'signer', ['http:', 'https:']) };
  demand(typeof keyFile === 'string', 'BAD_REQUEST', 'keyFile is a path');
  return { keyFile: resolve(folder, keyFile) };
}

function url(value: unknown, name: string, protocols: string[]): string {
  const known = typeof value === 'string' && URL.canParse(value) && protocols.includes(new URL(value).protocol);
  demand(known, 'BAD_REQUEST', `${name} is an address with ${protocols.join(' or ')}`);
  return value as string;
}

function address(value: unknown, name: string): `0x${string}` {
  demand(typeof value === 'string' && ADDRESS.test(value), 'BAD_REQUEST', `${name} is 0x and 40 hex digits`);
  return value as `0x${string}`;
}

function whole(value: unknown, name: string, least: number, most: number): number {
  const inside = typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;
  demand(inside, 'BAD_REQUEST', `${name} is a whole number from ${least} to ${most}`);
  return value;
}
