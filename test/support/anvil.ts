/** A real EVM node for tests: anvil on a free port of 127.0.0.1, with the contract on it. It ends with the test's process. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Chain, deployContract, type Mined, openChain, type Sent } from '@countersign/broker/ledger/evm/chain';
import { type EvmProfile, parseProfile } from '@countersign/broker/ledger/evm/profile';
import { freePort } from './ports.ts';
import { spawnTethered } from './tethered.ts';

/** The binary of the platform package, or a path in COUNTERSIGN_ANVIL; undefined where there is none. */
export function anvilPath(): string | undefined {
  if (process.env.COUNTERSIGN_ANVIL) return process.env.COUNTERSIGN_ANVIL;
  try {
    const path = createRequire(import.meta.url).resolve('@foundry-rs/anvil-linux-amd64/bin/anvil');
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** The accounts that anvil makes from its published words, unlocked there. */
export const ACCOUNTS = [
  '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
  '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
  '0x90F79bf6EB2c4f870365E785982E1f101E93b906',
  '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65',
] as const;

export interface Anvil {
  readonly url: string;
  readonly port: number;
  /** One JSON-RPC question, for what only a development node answers: mining, reorganising, stopping to mine. */
  rpc(method: string, params?: unknown[]): Promise<unknown>;
  stop(signal?: 'SIGKILL' | 'SIGINT'): Promise<void>;
}

export async function startAnvil(options: { args?: string[]; port?: number } = {}): Promise<Anvil> {
  const path = anvilPath();
  if (path === undefined) throw new Error('anvil is not installed');
  const port = options.port ?? (await freePort());
  const args = ['--port', String(port), '--silent', ...(options.args ?? [])];
  const { child, stop } = spawnTethered(path, args);
  const url = `http://127.0.0.1:${port}`;
  const rpc = (method: string, params: unknown[] = []) => ask(url, method, params);
  while (!(await rpc('eth_chainId').catch(() => undefined))) {
    if (child.exitCode !== null) throw new Error(`anvil ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { url, port, rpc, stop };
}

async function ask(url: string, method: string, params: unknown[]): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

/** A profile for account `n`, at any depth. */
export function profileOf(anvil: Pick<Anvil, 'url'>, n = 0, more: Record<string, unknown> = {}): EvmProfile {
  const account = { address: ACCOUNTS[n], signer: anvil.url };
  const base = { rpc: anvil.url, chainId: 31_337, contract: 'deploy', account, confirmations: 0, pollMs: 20 };
  return parseProfile({ ...base, timeoutMs: 20_000, ...more }, '.');
}

/** A new contract: nodes are accounts 1 to `nodes`, the first of them records, the brake is account 4, account 0 governs. */
export async function deployOn(anvil: Anvil, nodes: number, k: number) {
  const first = { nodes: ACCOUNTS.slice(1, 1 + nodes), k, brakes: [ACCOUNTS[4]], recorder: ACCOUNTS[1] };
  const deployed = await deployContract(profileOf(anvil), first);
  const contract = { contract: deployed.address, fromBlock: deployed.block };
  const profile = (n: number, more: Record<string, unknown> = {}) => profileOf(anvil, n, { ...contract, ...more });
  const chains: Chain[] = await Promise.all(ACCOUNTS.map((_, n) => openChain(profile(n))));
  return { ...deployed, profile, chains };
}

/** Resolves once the transaction stands in a block. @throws Refusal if it reverted there */
export async function minedNow(chain: Chain, sent: Sent): Promise<Mined> {
  for (;;) {
    const mined = await chain.mined(sent);
    if (mined) return mined;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
