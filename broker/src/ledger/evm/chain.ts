/**
 * The node and the contract behind one small interface: questions, events, transactions of one account. viem is loaded
 * here and nowhere else, and only where an EVM chain is used.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import type { Hex } from 'viem';
import { openAccount, type Signing } from './account.ts';
import { CONTRACT } from './code.ts';
import type { EvmProfile } from './profile.ts';
import { causedBy, type Decoded, refusalOf } from './refusals.ts';

export interface ChainBlock {
  number: number;
  hash: Hex;
  /** Seconds since the epoch. */
  time: number;
}

/** One event of the contract, decoded, with its place. */
export interface ChainLog {
  name: string;
  args: Readonly<Record<string, unknown>>;
  block: number;
  blockHash: Hex;
  index: number;
  transaction: Hex;
}

export interface Sent {
  hash: Hex;
  nonce: number;
  what: string;
  /** Sends the same transaction once more, for a node that has forgotten it. */
  again(): Promise<void>;
}

export interface Mined {
  block: number;
  blockHash: Hex;
  gasUsed: number;
}

export interface Chain {
  readonly address: Hex;
  /** Address of the account that signs here, if one does. */
  readonly account: Hex | undefined;
  /** Number of the newest block. @throws Refusal UNREACHABLE */
  height(): Promise<number>;
  /** The canonical block of this number, or undefined. @throws Refusal UNREACHABLE */
  block(number: number): Promise<ChainBlock | undefined>;
  /** Events of the contract in canonical order, both ends included. @throws Refusal UNREACHABLE */
  logs(from: number, to: number): Promise<ChainLog[]>;
  /**
   * A view of the contract, as it is or as it was at the end of a block; undefined for a block before the contract.
   * @throws Refusal UNREACHABLE
   */
  read(name: string, args?: readonly unknown[], block?: number): Promise<unknown>;
  /**
   * Tries a call, then sends it with the account's next nonce; resolves when the node has taken it.
   * @throws Refusal BAD_REQUEST where the profile names no account; of the contract's custom error, TOO_LARGE beyond the gas limit, UNREACHABLE
   */
  send(name: string, args: readonly unknown[]): Promise<Sent>;
  /** Where a transaction stands in the canonical chain, or undefined. @throws Refusal of the custom error if it reverted */
  mined(sent: Sent): Promise<Mined | undefined>;
  /** Transactions of our account in the canonical chain so far. */
  nonceUsed(): Promise<number>;
  /** Calls at every new block where the node pushes them; a hint, never the truth. */
  onBlock(call: () => void): () => void;
  close(): Promise<void>;
}

/** One question to the node. Its answer comes in milliseconds or the node is not well. */
const QUESTION_MS_MAX = 10_000;
/** The state may differ when the transaction is mined: another quarter on top of the estimate. */
const GAS_PART = 1.25;

/**
 * @param profile with the contract's address
 * @throws Refusal UNREACHABLE, BAD_REQUEST for another chain, NOT_FOUND without a contract there, BAD_STORE for the key
 */
export async function openChain(profile: EvmProfile): Promise<Chain> {
  demand(profile.contract, 'BAD_REQUEST', 'the profile names no contract');
  const node = await openNode(profile);
  const code = await node.ask('the code of the contract', () => node.client.getCode({ address: profile.contract! }));
  demand(code !== undefined && code !== '0x', 'NOT_FOUND', `there is no contract at ${profile.contract}`);
  return chainOf(node, profile.contract, profile);
}

/**
 * Puts a new contract on the chain.
 * @param k votes that confirm a release
 * @returns its address and the block from which its events are to be read
 */
export async function deployContract(
  profile: EvmProfile,
  first: { nodes: readonly Hex[]; k: number; brakes: readonly Hex[]; recorder: Hex },
): Promise<{ address: Hex; block: number; gasUsed: number }> {
  const node = await openNode(profile);
  try {
    const data = {
      abi: CONTRACT.abi,
      bytecode: CONTRACT.bytecode,
      args: [first.nodes, first.k, first.brakes, first.recorder],
    };
    const nonce = await node.ask('the nonce', () => node.nonce('pending'));
    const request = { data: node.viem.encodeDeployData(data), nonce };
    const gas = await node.ask('the deployment', () => estimate(node, profile, request));
    const { hash } = await node.ask('the deployment', () => signerOf(node).send({ ...request, gas }));
    const receipt = await node.ask('the deployment', () =>
      node.client.waitForTransactionReceipt({ hash, timeout: profile.timeoutMs, pollingInterval: profile.pollMs }),
    );
    demand(receipt.status === 'success' && receipt.contractAddress, 'BAD_REQUEST', 'the deployment was reverted');
    return { address: receipt.contractAddress, block: Number(receipt.blockNumber), gasUsed: Number(receipt.gasUsed) };
  } finally {
    await node.close();
  }
}

/** The address that signs under this profile. @throws Refusal UNREACHABLE, BAD_REQUEST, BAD_STORE */
export async function accountOf(profile: EvmProfile): Promise<Hex> {
  const node = await openNode(profile);
  await node.close();
  return signerOf(node).address;
}

type Viem = typeof import('viem');

async function openNode(profile: EvmProfile) {
  const viem = await loadViem();
  const pushes = profile.rpc.startsWith('ws');
  // Retries are ours: how long to go on is the caller's to decide, with the reason said.
  const options = { retryCount: 0, timeout: Math.min(profile.timeoutMs, QUESTION_MS_MAX) };
  const transport = pushes ? viem.webSocket(profile.rpc, options) : viem.http(profile.rpc, options);
  const chain = viem.defineChain({
    id: profile.chainId,
    name: `chain ${profile.chainId}`,
    nativeCurrency: { name: 'ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [profile.rpc] } },
  });
  // Nothing is cached: a question about the newest block is asked in order to know the newest block.
  const client = viem.createPublicClient({ chain, transport, pollingInterval: profile.pollMs, cacheTime: 0 });
  const signing = await openAccount(viem, profile, client);
  const refused = (error: unknown, what: string) => refusalOf(error, what, (data) => decodeError(viem, data));
  const ask = async <T>(what: string, question: () => Promise<T>): Promise<T> => {
    try {
      return await question();
    } catch (error) {
      throw refused(error, what);
    }
  };
  const close = async () => {
    // viem's types know both transports only together.
    const socket = client.transport as unknown as { getRpcClient(): Promise<{ close(): void }> };
    if (pushes) (await socket.getRpcClient()).close();
  };
  const id = await ask('the chain id', () => client.getChainId());
  demand(
    id === profile.chainId,
    'BAD_REQUEST',
    `${profile.rpc} is on chain ${id}, the profile says ${profile.chainId}`,
  );
  const nonce = (blockTag: 'pending' | 'latest') =>
    client.getTransactionCount({ address: signerOf({ signing }).address, blockTag });
  return { viem, client, signing, ask, refused, nonce, close, pushes };
}

function signerOf({ signing }: { signing: Signing | undefined }): Signing {
  demand(signing, 'BAD_REQUEST', 'the EVM profile names no account, and this needs one');
  return signing;
}

/** undefined for an error of another contract, or of the compiler's own. */
function decodeError(viem: Viem, data: Hex): Decoded | undefined {
  try {
    return viem.decodeErrorResult({ abi: CONTRACT.abi, data });
  } catch {
    return undefined;
  }
}

type Node = Awaited<ReturnType<typeof openNode>>;

async function loadViem(): Promise<Viem> {
  try {
    return await import('viem');
  } catch (cause) {
    throw new Refusal('UNSUPPORTED', 'the optional package viem is not installed: run npm install viem', { cause });
  }
}

/** @throws Refusal TOO_LARGE */
async function estimate(node: Node, { gasMax }: EvmProfile, call: { to?: Hex; data: Hex }): Promise<bigint> {
  const needed = await node.client.estimateGas({ account: signerOf(node).address, ...call });
  demand(needed <= BigInt(gasMax), 'TOO_LARGE', `the transaction needs ${needed} gas, the profile allows ${gasMax}`);
  const more = BigInt(Math.floor(Number(needed) * GAS_PART));
  return more < BigInt(gasMax) ? more : BigInt(gasMax);
}

function chainOf(node: Node, address: Hex, profile: EvmProfile): Chain {
  const { client, ask, viem } = node;
  const { abi } = CONTRACT;
  const nonces = new Nonces(node);
  return {
    address,
    account: node.signing?.address,
    height: () => ask('the newest block', async () => Number(await client.getBlockNumber())),
    block: (number) => ask(`block ${number}`, () => blockAt(node, number)),
    logs: (from, to) => ask(`events of blocks ${from} to ${to}`, () => logsOf(node, address, from, to)),
    read: (functionName, args = [], block) =>
      ask(functionName, () => {
        const at = block === undefined ? {} : { blockNumber: BigInt(block) };
        return client.readContract({ address, abi, functionName, args, ...at }).catch((error) => {
          const early = block !== undefined && causedBy(error, 'ContractFunctionZeroDataError');
          if (!early) throw error;
          return undefined;
        });
      }),
    async send(functionName, args) {
      const account = signerOf(node).address;
      const data = viem.encodeFunctionData({ abi, functionName, args });
      // The trial tells a custom error by name; a transaction that reverts in a block costs gas and says less.
      await ask(functionName, () => client.simulateContract({ address, abi, functionName, args, account }));
      const gas = await ask(functionName, () => estimate(node, profile, { to: address, data }));
      return nonces.next(functionName, { to: address, data, gas });
    },
    mined: (sent) => ask(sent.what, () => minedOf(node, sent)),
    nonceUsed: () => ask('the nonce', () => node.nonce('latest')),
    onBlock: (call) => {
      if (!node.pushes) return () => undefined;
      return client.watchBlockNumber({ onBlockNumber: call, onError: call });
    },
    close: () => node.close(),
  };
}

/**
 * Nonces of one account, given one after another. This process is the only one that uses the account: two senders would
 * take each other's numbers. After any failure the node is asked afresh.
 */
class Nonces {
  readonly #node: Node;
  #next: number | undefined;
  #before: Promise<unknown> = Promise.resolve();

  constructor(node: Node) {
    this.#node = node;
  }

  next(what: string, call: { to: Hex; data: Hex; gas: bigint }): Promise<Sent> {
    const sent = this.#before.then(() => this.#send(what, call));
    this.#before = sent.catch(() => undefined);
    return sent;
  }

  async #send(what: string, call: { to: Hex; data: Hex; gas: bigint }): Promise<Sent> {
    const { ask, nonce: pending } = this.#node;
    const nonce = await ask('the nonce', () => pending('pending'));
    // A node that is behind its own pool names a number that was just used.
    const taken = Math.max(nonce, this.#next ?? 0);
    try {
      const { hash, again } = await ask(what, () => signerOf(this.#node).send({ ...call, nonce: taken }));
      this.#next = taken + 1;
      return { hash, nonce: taken, what, again: () => ask(what, again) };
    } catch (error) {
      this.#next = undefined;
      throw error;
    }
  }
}

async function blockAt({ client, viem }: Node, number: number): Promise<ChainBlock | undefined> {
  try {
    const block = await client.getBlock({ blockNumber: BigInt(number) });
    return { number, hash: block.hash, time: Number(block.timestamp) };
  } catch (error) {
    if (error instanceof viem.BlockNotFoundError) return undefined;
    throw error;
  }
}

async function logsOf({ client, viem }: Node, address: Hex, from: number, to: number): Promise<ChainLog[]> {
  const logs = await client.getLogs({ address, fromBlock: BigInt(from), toBlock: BigInt(to) });
  return logs.map((log) => {
    // Strict: an event of ours that cannot be read is an error, not an event less.
    const { eventName, args } = viem.decodeEventLog({ abi: CONTRACT.abi, data: log.data, topics: log.topics });
    return {
      name: eventName!,
      args: args as unknown as Record<string, unknown>,
      block: Number(log.blockNumber),
      blockHash: log.blockHash,
      index: log.logIndex,
      transaction: log.transactionHash,
    };
  });
}

async function minedOf(node: Node, { hash, what }: Sent): Promise<Mined | undefined> {
  const { client, viem } = node;
  try {
    const receipt = await client.getTransactionReceipt({ hash });
    if (receipt.status === 'reverted') throw await reasonOf(node, hash, what, receipt.blockNumber);
    return { block: Number(receipt.blockNumber), blockHash: receipt.blockHash, gasUsed: Number(receipt.gasUsed) };
  } catch (error) {
    if (error instanceof viem.TransactionReceiptNotFoundError) return undefined;
    throw error;
  }
}

/** A receipt does not say why: the call is tried once more over the state at the end of its block. */
async function reasonOf(node: Node, hash: Hex, what: string, blockNumber: bigint): Promise<Refusal> {
  const { from, to, input } = await node.client.getTransaction({ hash });
  try {
    await node.client.call({ account: from, to, data: input, blockNumber });
  } catch (error) {
    return node.refused(error, what);
  }
  return new Refusal('CONFLICT', `${what}: reverted in block ${blockNumber}, though it would pass at its end`);
}
