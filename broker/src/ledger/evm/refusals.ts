/** What the contract and the node say when they refuse, in our words. */
import { type Code, Refusal } from '@countersign/device-sdk';

/** One row for every custom error of Countersign.sol; a test compares the two in both directions. */
export const CONTRACT_ERRORS: Readonly<Record<string, Code>> = {
  NotPermitted: 'NOT_PERMITTED',
  BadValue: 'BAD_REQUEST',
  BadThreshold: 'BAD_REQUEST',
  TooManyNodes: 'TOO_LARGE',
  NodeStands: 'EXISTS',
  NotANode: 'NOT_FOUND',
  ReleaseExists: 'EXISTS',
  ReleaseUnknown: 'NOT_FOUND',
  ReleaseConfirmed: 'DUPLICATE',
  OutOfOrder: 'BAD_CHAIN',
  // As in the contract of the other engines: another release was confirmed first, so this one is signed anew.
  WrongParent: 'CONFLICT',
  VotedAlready: 'DUPLICATE',
  TooFewVotes: 'NOT_APPROVED',
  BatchExists: 'EXISTS',
  ProductPaused: 'NOT_OPEN',
  PausedAlready: 'DUPLICATE',
  NotPaused: 'BAD_STATEMENT',
};

/** A custom error of the contract, as viem decodes it. */
export interface Decoded {
  errorName: string;
  args?: readonly unknown[] | undefined;
}

/** The part of viem's errors that is read here: a revert carries its custom error, decoded or in bytes, down its causes. */
interface Raised {
  name?: string;
  data?: Partial<Decoded> | `0x${string}`;
  shortMessage?: string;
  cause?: unknown;
}
/** viem wraps an error about four deep; more is a ring. */
const CAUSES_MAX = 8;

/**
 * A Refusal with the contract's reason, with UNREACHABLE for a node that does not answer, INTERNAL for all else.
 * @param decode reads the bytes of a custom error; undefined where they are none of ours
 */
export function refusalOf(error: unknown, what: string, decode: (data: `0x${string}`) => Decoded | undefined): Refusal {
  if (error instanceof Refusal) return error;
  const causes = causesOf(error);
  const reason = causes.map(({ data }) => decodedOf(data, decode)).find((found) => found !== undefined);
  if (reason) {
    const text = `${what}: the contract says ${reason.errorName}(${(reason.args ?? []).map(String).join(', ')})`;
    return new Refusal(CONTRACT_ERRORS[reason.errorName] ?? 'INTERNAL', text, { cause: error });
  }
  const said = causes.find(({ shortMessage }) => shortMessage !== undefined)?.shortMessage ?? String(error);
  const named = (pattern: RegExp) => causes.some(({ name }) => name !== undefined && pattern.test(name));
  if (named(/^(HttpRequest|Timeout|WebSocketRequest|SocketClosed|WaitForTransactionReceiptTimeout)Error$/)) {
    return new Refusal('UNREACHABLE', `${what}: the EVM node does not answer`, { cause: error });
  }
  if (named(/^InsufficientFundsError$/)) return new Refusal('NOT_PERMITTED', `${what}: ${said}`, { cause: error });
  return new Refusal('INTERNAL', `${what}: ${said}`, { cause: error });
}

function decodedOf(data: Raised['data'], decode: (data: `0x${string}`) => Decoded | undefined): Decoded | undefined {
  if (typeof data === 'string') return decode(data);
  return data?.errorName === undefined ? undefined : { errorName: data.errorName, args: data.args };
}

/** Whether an error of viem of this name is among the causes. */
export function causedBy(error: unknown, name: string): boolean {
  return causesOf(error).some((cause) => cause.name === name);
}

function causesOf(error: unknown): Raised[] {
  const found: Raised[] = [];
  for (let at: unknown = error; at instanceof Error && found.length < CAUSES_MAX; at = at.cause)
    found.push(at as Raised);
  return found;
}
