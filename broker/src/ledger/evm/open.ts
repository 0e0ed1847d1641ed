/** `--ledger evm`: from a profile to a ledger whose order an EVM chain decides. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import type { BlobStore } from '../../store/blobs.ts';
import { writeDurable } from '../../store/durable.ts';
import { fileBlobStore } from '../../store/file-blobs.ts';
import type { RolloutView } from '../contract/views.ts';
import type { EmbeddedLedger } from '../embedded/source.ts';
import { lateSource } from '../mirror/late.ts';
import { type LedgerEngine, mirrored } from '../mirror/mirrored.ts';
import type { FollowedSource } from '../mirror/order.ts';
import { batchFiles } from './batches.ts';
import { accountOf, deployContract, openChain } from './chain.ts';
import { ComparedSource } from './compared.ts';
import { releaseContents } from './contents.ts';
import { type EvmProfile, readProfile } from './profile.ts';
import { EvmSource } from './source.ts';

export interface EvmOptions {
  /** Path of the profile. */
  profile: string;
  /** The collection server's blobs, for the CIDs of deltas; without it the chain names the images alone. */
  blobs?: BlobStore | undefined;
  tell(text: string): void;
  stopped(reason: Refusal): void;
}

/**
 * What a peer compares its copy with: its own node.
 * @param path of a profile with the contract's address; without an account
 * @throws Refusal BAD_STORE, BAD_REQUEST for the profile
 */
export async function evmOrder(path: string): Promise<() => FollowedSource> {
  const profile = await readProfile(path);
  demand(profile.contract, 'BAD_REQUEST', `${path} names no contract: a peer reads one that stands`);
  return () => new ComparedSource(profile, nodeVerifier());
}

/** Where a contract that this ledger deployed stands, and the batches, beside the block files. */
const CONTRACT_FILE = 'evm.json';
const BATCH_FOLDER = 'batches';

/** @throws Refusal BAD_STORE, BAD_REQUEST for the profile */
export async function evmLedger(options: EvmOptions): Promise<LedgerEngine> {
  const profile = await readProfile(options.profile);
  demand(profile.account, 'BAD_REQUEST', `${options.profile} names no account: a ledger writes to the chain`);
  return (ledger, folder) => openEvm(ledger, folder, profile, options);
}

export async function openEvm(
  ledger: EmbeddedLedger,
  folder: string,
  profile: EvmProfile,
  { blobs, tell, stopped }: Omit<EvmOptions, 'profile'>,
): Promise<EmbeddedLedger> {
  const verifier = nodeVerifier();
  const files = batchFiles(fileBlobStore(join(folder, BATCH_FOLDER), verifier.sha256), verifier.sha256);
  const source = lateSource(async () => {
    const placed = profile.contract ? profile : { ...profile, ...(await ownContract(ledger, folder, profile, tell)) };
    return new EvmSource({
      chain: await openChain(placed),
      profile: placed,
      verifier,
      files,
      speculate: () => ledger.inside.reader.speculate(verifier),
      contents: releaseContents(verifier.sha256, blobs),
      rolling: async () => {
        const rollouts = (await ledger.evaluate('listRollouts')) as RolloutView[];
        return [...new Set(rollouts.filter(({ state }) => state !== 'aborted').map(({ classId }) => classId))];
      },
      troubled: (error) => tell(`the EVM chain: ${error instanceof Error ? error.message : String(error)}`),
    });
  });
  const told = (text: string) => tell(`the EVM chain: ${text}`);
  return mirrored(source, ledger, { folder, mirrorMsMax: profile.timeoutMs, tell: told, stopped });
}

interface Own {
  contract: `0x${string}`;
  fromBlock: number;
}

/** The contract that this ledger deployed at its first start: one node, one vote, the same account for everything. */
async function ownContract(
  ledger: EmbeddedLedger,
  folder: string,
  profile: EvmProfile,
  tell: (text: string) => void,
): Promise<Own> {
  const path = join(folder, CONTRACT_FILE);
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known !== undefined) return readOwn(path, known, profile.chainId);
  const text = `${path} is gone, and this ledger has begun: name its contract in the profile, with fromBlock`;
  demand(ledger.inside.standing.point.number <= 1, 'BAD_REQUEST', text);
  const account = await accountOf(profile);
  const { address, block } = await deployContract(profile, {
    nodes: [account],
    k: 1,
    brakes: [account],
    recorder: account,
  });
  await writeDurable(
    path,
    Buffer.from(`${JSON.stringify({ chainId: profile.chainId, contract: address, fromBlock: block })}\n`),
  );
  tell(`contract ${address} in block ${block}: one node, whose account governs; add others with its functions`);
  return { contract: address, fromBlock: block };
}

function readOwn(path: string, text: string, chainId: number): Own {
  try {
    const { chainId: own, contract, fromBlock } = JSON.parse(text) as Own & { chainId: number };
    demand(own === chainId, 'BAD_REQUEST', `the contract of this ledger is on chain ${own}, not on ${chainId}`);
    return { contract, fromBlock };
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  }
}
