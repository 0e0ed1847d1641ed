/** The compiled contract, as `npm run contract` wrote it beside its source. */
import { createRequire } from 'node:module';
import type { Abi, Hex } from 'viem';

export interface ContractCode {
  compiler: { name: string; version: string; settings: unknown };
  /** Of Countersign.sol. */
  sourceSha256: string;
  bytecode: Hex;
  abi: Abi;
}

export const CONTRACT: ContractCode = createRequire(import.meta.url)('../../../evm/Countersign.json');
