/** Which engine orders a ledger: our own, or one of other people that is loaded only here. */
import { Refusal } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { type LedgerEngine, mirrored } from '../../ledger/mirror/mirrored.ts';
import type { FollowedSource, OrderedSource } from '../../ledger/mirror/order.ts';
import { type OpenOwnOrder, ownOrder } from '../../ledger/mirror/own-order.ts';
import { fileBlobStore } from '../../store/file-blobs.ts';
import { serverFolder } from '../up/folders.ts';
import { note, WrongUse } from './program.ts';

export interface EngineOptions {
  /** `embedded`, `fabric`, `evm`; with `up --only collection` or `distribution` the URL of the ledger server. */
  ledger?: string;
  fabricProfile?: string;
  evmProfile?: string;
  /** Folder of this process. */
  data?: string;
}

/** What orders the ledger of `up`. @returns undefined for our own. @throws as {@link fabricOf} */
export async function engineOf(options: EngineOptions): Promise<LedgerEngine | undefined> {
  if (options.ledger === 'evm') return evm(options);
  const source = await fabricOf(options);
  return (
    source &&
    ((ledger, folder) => mirrored(source(), ledger, { folder, tell: (text) => note(`Fabric: ${text}`), stopped }))
  );
}

/** What a peer compares its copy with. @returns undefined where the orderer's word is the order. @throws as {@link fabricOf} */
export async function orderOf(options: EngineOptions): Promise<OpenOwnOrder | undefined> {
  const source = options.ledger === 'evm' ? await evmOrderOf(options) : await fabricOf(options);
  return source && ((ledger, folder, changed) => ownOrder(source(), ledger, folder, changed, note));
}

/** @throws WrongUse; Refusal BAD_REQUEST for a bad profile, UNSUPPORTED where the engine's packages are missing */
async function fabricOf({
  ledger = 'embedded',
  fabricProfile,
  evmProfile,
}: EngineOptions): Promise<(() => OrderedSource) | undefined> {
  if (evmProfile !== undefined) throw new WrongUse('--evm-profile needs --ledger evm');
  if (fabricProfile !== undefined && ledger !== 'fabric') throw new WrongUse('--fabric-profile needs --ledger fabric');
  if (ledger === 'embedded') return undefined;
  if (ledger !== 'fabric') throw new WrongUse('--ledger is embedded, fabric or evm');
  if (fabricProfile === undefined) throw new WrongUse('--ledger fabric needs --fabric-profile FILE');
  const { openFabric } = await installed(
    () => import('../../ledger/fabric/open.ts'),
    '@hyperledger/fabric-gateway@1.11.0',
  );
  return openFabric(fabricProfile, note);
}

/** The packages of an EVM chain are asked for when the chain is opened. */
async function evm(options: EngineOptions): Promise<LedgerEngine> {
  const { data } = options;
  const profile = evmProfileOf(options);
  const { evmLedger } = await import('../../ledger/evm/open.ts');
  const { sha256 } = nodeVerifier();
  const blobs = data === undefined ? undefined : fileBlobStore(serverFolder(data, 'collection'), sha256);
  return evmLedger({ profile, blobs, tell: note, stopped });
}

async function evmOrderOf(options: EngineOptions): Promise<() => FollowedSource> {
  const profile = evmProfileOf(options);
  const { evmOrder } = await import('../../ledger/evm/open.ts');
  return evmOrder(profile);
}

function evmProfileOf({ evmProfile, fabricProfile }: EngineOptions): string {
  if (fabricProfile !== undefined) throw new WrongUse('--fabric-profile needs --ledger fabric');
  if (evmProfile === undefined) throw new WrongUse('--ledger evm needs --evm-profile FILE');
  return evmProfile;
}

function stopped({ code, message }: Refusal): void {
  note(`the ledger takes no more entries, and still answers: ${code}, ${message}`);
}

async function installed<T>(load: () => Promise<T>, name: string): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new Refusal('UNSUPPORTED', `this needs a package that is not installed: npm install ${name}`, { cause });
  }
}
