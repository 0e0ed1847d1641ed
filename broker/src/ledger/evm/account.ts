/** The account that signs: a key in a file of this machine, or one that a signer keeps. */
import { demand } from '@countersign/device-sdk';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import type { Hex, PublicClient } from 'viem';
import type { EvmProfile } from './profile.ts';

export interface Request {
  to?: Hex;
  data: Hex;
  gas: bigint;
  nonce: number;
}

export interface Signing {
  readonly address: Hex;
  /** Signs and sends. `again` sends the very same transaction. */
  send(request: Request): Promise<{ hash: Hex; again(): Promise<void> }>;
}

/** @returns undefined where the profile names none. @throws Refusal BAD_STORE for a key file that is missing, open to others, or no secret */
export async function openAccount(
  viem: typeof import('viem'),
  profile: EvmProfile,
  client: PublicClient,
): Promise<Signing | undefined> {
  const { account } = profile;
  if (account === undefined) return undefined;
  return 'keyFile' in account ? fileAccount(viem, account.keyFile, client) : signerAccount(viem, account, client);
}

async function fileAccount(viem: typeof import('viem'), path: string, client: PublicClient): Promise<Signing> {
  const text = new TextDecoder().decode(await readSecretFile(path)).trim();
  demand(/^(0x)?[0-9a-fA-F]{64}$/.test(text), 'BAD_STORE', `${path} does not hold 32 bytes in hex`);
  const { privateKeyToAccount } = await import('viem/accounts');
  const account = privateKeyToAccount(text.startsWith('0x') ? (text as Hex) : `0x${text}`);
  const { chain } = client;
  const wallet = viem.createWalletClient({ account, chain, transport: viem.custom(client) });
  return {
    address: account.address,
    async send(request) {
      const prepared = await wallet.prepareTransactionRequest({ ...request, account, chain } as never);
      const serializedTransaction = await wallet.signTransaction(prepared as never);
      const hash = await client.sendRawTransaction({ serializedTransaction });
      return { hash, again: async () => void (await client.sendRawTransaction({ serializedTransaction })) };
    },
  };
}

/** `eth_sendTransaction` to whoever keeps the key: a signing proxy, or a development node. */
async function signerAccount(
  viem: typeof import('viem'),
  { address, signer }: { address: Hex; signer: string },
  client: PublicClient,
): Promise<Signing> {
  const { chain } = client;
  const wallet = viem.createWalletClient({
    account: address,
    chain,
    transport: viem.http(signer, { retryCount: 0 }),
  });
  return {
    address,
    async send(request) {
      const send = () => wallet.sendTransaction({ ...request, account: address, chain } as never);
      const hash = await send();
      return { hash, again: async () => void (await send()) };
    },
  };
}
