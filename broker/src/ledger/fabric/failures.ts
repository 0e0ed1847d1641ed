/** What a failed call to Fabric means for the entry: refused by the contract, to be tried again, or unknown. */
import { CODES, type Code, Refusal } from '@countersign/device-sdk';
import { CommitError, EndorseError, GatewayError } from '@hyperledger/fabric-gateway';

export type Failure =
  /** Final: trying again gives the same. */
  | { kind: 'refused'; refusal: Refusal }
  /** Nothing has happened; trying again may give something else. */
  | { kind: 'again'; why: string; code: 'CONFLICT' | 'UNREACHABLE' | 'BUSY' }
  /** The entry may stand in a block or not. */
  | { kind: 'unknown'; why: string };

/** Status codes of gRPC, as far as they are told apart here (grpc.io, status codes). */
const GRPC = { deadlineExceeded: 4, resourceExhausted: 8, failedPrecondition: 9, aborted: 10, unavailable: 14 };
/** Validation codes of a transaction whose reads were overtaken by another in the same or an earlier block. */
const OVERTAKEN = new Set([11, 12]); // MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT

export function failureOf(error: unknown): Failure {
  if (error instanceof CommitError) return commitFailure(error);
  const said = refusalIn(error);
  if (said) return { kind: 'refused', refusal: said };
  const why = textOf(error);
  if (!(error instanceof GatewayError)) return { kind: 'refused', refusal: new Refusal('INTERNAL', why) };
  if (error.code === GRPC.resourceExhausted) return { kind: 'again', why, code: 'BUSY' };
  // Endorsers at different heights give different results; a moment later they agree.
  if (/ProposalResponsePayloads do not match/.test(why)) return { kind: 'again', why, code: 'CONFLICT' };
  if (error instanceof EndorseError) return { kind: 'again', why, code: 'UNREACHABLE' };
  const notSent = error.name === 'SubmitError' && error.code === GRPC.unavailable;
  return notSent ? { kind: 'again', why, code: 'UNREACHABLE' } : { kind: 'unknown', why };
}

function commitFailure(error: CommitError): Failure {
  const why = `Fabric found the transaction invalid (${error.code})`;
  if (OVERTAKEN.has(error.code)) return { kind: 'again', why, code: 'CONFLICT' };
  return { kind: 'refused', refusal: new Refusal('NOT_PERMITTED', `${why}: the endorsement policy is not met`) };
}

/** The contract's own code, from the text that an endorser's chaincode answered. */
function refusalIn(error: unknown): Refusal | undefined {
  const texts = error instanceof GatewayError ? [...error.details.map(({ message }) => message), error.message] : [];
  for (const text of texts) {
    const [, code, sentence] = /chaincode response \d+, ([A-Z_]+): (.*)/s.exec(text) ?? [];
    if (code && (CODES as readonly string[]).includes(code))
      return new Refusal(code as Code, sentence!, { cause: error });
  }
  return undefined;
}

/** As gRPC for Node words a link that it could not make or lost. */
const NO_LINK = /no connection established|name resolution failed|connection dropped|ECONNRE|socket hang up/i;

/** In words: whoever runs a server need not know how gRPC spells them. The error itself is kept as the cause. */
export function textOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  const details = error instanceof GatewayError ? error.details : [];
  const text = error instanceof Error ? said(error.message) : String(error);
  // The gateway itself says unavailable of other peers too, and then says which.
  if (code === GRPC.unavailable && NO_LINK.test(text)) return 'it cannot be reached';
  if (details.length === 0 && code === GRPC.deadlineExceeded) return 'it did not answer in time';
  return [text, ...details.map(({ mspId, address, message }) => `${mspId} ${address}: ${said(message)}`)].join('; ');
}

/** Without the number and name of the status, as gRPC puts them before its text. */
function said(text: string): string {
  return text.replace(/^(\d+ [A-Z_]+: )+/, '');
}
