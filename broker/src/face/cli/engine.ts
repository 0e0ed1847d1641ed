/** Which engine orders the ledger of `up`: our own, or one of other people that is loaded only here. */
import { Refusal } from '@countersign/device-sdk';
import type { LedgerEngine } from '../../ledger/mirror/mirrored.ts';
import { note, WrongUse } from './program.ts';

export interface EngineOptions {
  /** `embedded`, `fabric`; with --only collection or distribution the URL of the ledger server. */
  ledger?: string;
  fabricProfile?: string;
}

/** @returns undefined for our own. @throws WrongUse; Refusal BAD_REQUEST, UNSUPPORTED where its packages are missing */
export async function engineOf({
  ledger = 'embedded',
  fabricProfile,
}: EngineOptions): Promise<LedgerEngine | undefined> {
  if (fabricProfile !== undefined && ledger !== 'fabric') throw new WrongUse('--fabric-profile needs --ledger fabric');
  if (ledger === 'embedded') return undefined;
  if (ledger !== 'fabric') throw new WrongUse('--ledger is embedded or fabric');
  if (fabricProfile === undefined) throw new WrongUse('--ledger fabric needs --fabric-profile FILE');
  const { fabricLedger } = await installed(() => import('../../ledger/fabric/open.ts'), '@hyperledger/fabric-gateway');
  return fabricLedger({ profile: fabricProfile, tell: note, stopped });
}

function stopped({ code, message }: Refusal): void {
  note(`the ledger takes no more entries, and still answers: ${code}, ${message}`);
}

async function installed<T>(load: () => Promise<T>, name: string): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new Refusal('UNSUPPORTED', `this needs a package that is not installed: npm install ${name}@1.11.0`, {
      cause,
    });
  }
}
