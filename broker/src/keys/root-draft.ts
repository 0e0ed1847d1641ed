/**
 * The next trust root on its way to those who sign it: a file that travels, JSON with the current root, the next
 * payload and the signatures so far. Whoever signs sees the difference first; nothing in the file is trusted.
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  checkStatement,
  encodeRoot,
  equal,
  hex,
  kidOf,
  publicKeyOf,
  ROOT_BYTES_MAX,
  readRootPayload,
  readSignedRoot,
  readStatement,
  revokedFrom,
  type Signer,
  type TrustRoot,
  unhex,
} from '@countersign/device-sdk/format';
import { nextRoot } from '@countersign/device-sdk/verify';
import { signedRootOf, signRootPayload } from './next-root.ts';

const FORMAT = 'countersign-root-draft-1';
/** Two roots in hex, and the signatures of the second. */
export const DRAFT_CHARS_MAX = 8 * ROOT_BYTES_MAX;

export interface RootDraft {
  /** The signed root in force. */
  current: Uint8Array;
  next: TrustRoot;
  /** Detached COSE_Sign1, each by another root key; others are dropped when it is read. */
  signatures: Uint8Array[];
}

export function draftText({ current, next, signatures }: RootDraft): string {
  const file = { format: FORMAT, current: hex(current), next: hex(encodeRoot(next)), signatures: signatures.map(hex) };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** @throws Refusal MALFORMED, TOO_LARGE, BAD_ROOT: what is no draft of the root after the one beside it */
export function readDraft(verifier: Verifier, text: string): RootDraft {
  demand(text.length <= DRAFT_CHARS_MAX, 'TOO_LARGE', `a draft of ${text.length} characters`);
  const file = parse(text);
  const current = bytesOf(file.current, 'the current root');
  const { root } = readSignedRoot(verifier.sha256, current);
  const next = readRootPayload(verifier.sha256, bytesOf(file.next, 'the next root'));
  const follows = next.version === root.version + 1 && next.origin === root.origin;
  demand(
    follows,
    'BAD_ROOT',
    `root ${next.version} of ${next.origin} does not follow ${root.version} of ${root.origin}`,
  );
  demand(Array.isArray(file.signatures), 'MALFORMED', 'a draft has a list of signatures');
  const signatures = file.signatures.map((item) => bytesOf(item, 'a signature'));
  return mergeSignatures(verifier, { current, next, signatures: [] }, signatures);
}

/** Adds those that hold, each key once. */
export function mergeSignatures(verifier: Verifier, draft: RootDraft, more: readonly Uint8Array[]): RootDraft {
  const held = new Map(draft.signatures.map((bytes) => [signerOf(verifier, draft, bytes), bytes]));
  for (const bytes of more) {
    const kid = signerOf(verifier, draft, bytes);
    if (kid !== undefined) held.set(kid, bytes);
  }
  return { ...draft, signatures: [...held.values()] };
}

/** Kid of the root key, of either version, that made this signature; undefined where none did. */
function signerOf({ sha256, ...rest }: Verifier, { current, next }: RootDraft, bytes: Uint8Array): string | undefined {
  try {
    const statement = readStatement(bytes, 'root', encodeRoot(next));
    const { root } = readSignedRoot(sha256, current);
    const keys = [...root.roles.root.keys, ...next.roles.root.keys];
    const key = keys.find((item) => equal(kidOf(sha256, item), statement.kid));
    if (!key) return undefined;
    checkStatement({ sha256, ...rest }, statement, key);
    return hex(statement.kid);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** @throws Refusal NOT_PERMITTED for a key that neither version names as a root key, or that is revoked in both */
export async function signDraft(verifier: Verifier, draft: RootDraft, signer: Signer): Promise<RootDraft> {
  const kid = hex(kidOf(verifier.sha256, publicKeyOf(signer)));
  const counts = missing(verifier, draft).some(({ keys }) => keys.some((key) => key.kid === kid));
  demand(counts, 'NOT_PERMITTED', `${kid} is a root key of neither version, or revoked`);
  return mergeSignatures(verifier, draft, [await signRootPayload(verifier.sha256, draft.next, signer)]);
}

/** What one version asks for before it accepts the next root. */
export interface Demanded {
  version: number;
  threshold: number;
  keys: { kid: string; signed: boolean }[];
  /** Signatures that are still needed. */
  missing: number;
}

/** What N and N+1 ask for, each for itself. */
export function missing(verifier: Verifier, draft: RootDraft): Demanded[] {
  const { sha256 } = verifier;
  const signed = new Set(draft.signatures.map((bytes) => signerOf(verifier, draft, bytes)));
  return [readSignedRoot(sha256, draft.current).root, draft.next].map((root) => {
    const { threshold, keys } = root.roles.root;
    const accepted = keys.filter((key) => revokedFrom(sha256, root, key) === undefined);
    const list = accepted.map((key) => hex(kidOf(sha256, key))).map((kid) => ({ kid, signed: signed.has(kid) }));
    const have = list.filter((key) => key.signed).length;
    return { version: root.version, threshold, keys: list, missing: Math.max(0, threshold - have) };
  });
}

/** The signed root, as devices will check it. @throws Refusal BAD_ROOT where signatures are missing */
export function finishedRoot(verifier: Verifier, draft: RootDraft): Uint8Array {
  const { root } = readSignedRoot(verifier.sha256, draft.current);
  const bytes = signedRootOf(verifier.sha256, draft.next, draft.signatures);
  nextRoot(verifier, root, bytes);
  return bytes;
}

function parse(text: string): { current: unknown; next: unknown; signatures: unknown } {
  const { format, current, next, signatures } = Object(jsonOf(text)) as Record<string, unknown>;
  demand(format === FORMAT, 'MALFORMED', 'this is no draft of a trust root');
  return { current, next, signatures };
}

/** @returns undefined for what is no JSON */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function bytesOf(value: unknown, what: string): Uint8Array {
  const bytes = typeof value === 'string' ? unhex(value) : undefined;
  demand(bytes, 'MALFORMED', `${what} is not in hex`);
  return bytes;
}
