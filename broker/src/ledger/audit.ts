/**
 * The audit: reads block files and head file, nothing else, and does everything again: bytes, links, signatures,
 * contract, tree, index, state. It trusts no index and takes no lock, so it runs on a copy as well as beside a writer.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Code, codeOf, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, hex } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { openRoot } from '@countersign/device-sdk/verify';
import { ChainCheck } from './audit-chain.ts';
import { CosignedCheck } from './audit-cosigned.ts';
import { convictedIn } from './audit-issued.ts';
import type { AuditResult, Problem } from './audit-result.ts';
import { blockProblem, whereOf } from './audit-where.ts';
import { checkStoredHead, HEAD_FILE, readStoredHead, type StoredHead } from './embedded/head-file.ts';
import { type Frame, readFrames } from './embedded/segments.ts';
import { type ChainPoint, startOf } from './execution.ts';
import { MemoryValues } from './key-values.ts';
import { readBlock } from './log/block.ts';
import { OutsideHead } from './outside-head.ts';
import { COSIGNED_FILE } from './peer/cosigned-file.ts';
import { replay } from './replay.ts';

export interface AuditOptions {
  /** A signed trust root as a factory has it: 1, or a later one, which then has to be an entry of the ledger. */
  trust?: Uint8Array;
  /** A signed head, or a head file, that was kept elsewhere. */
  head?: Uint8Array;
  /** Further heads that the ledger must contain; they anchor nothing. */
  others?: readonly Uint8Array[];
  verifier?: Verifier;
}

/**
 * @param dir the data folder, or its `ledger` folder itself
 * @throws Refusal NOT_FOUND where there is no ledger at all; everything else is a problem in the result
 */
export async function auditFolder(dir: string, options: AuditOptions = {}): Promise<AuditResult> {
  const folder = [join(dir, 'ledger'), dir].find((path) => existsSync(join(path, HEAD_FILE)) || hasBlocks(path));
  if (!folder) throw new Refusal('NOT_FOUND', `there is no ledger in ${dir}`);
  const audit = new Audit(options.verifier ?? nodeVerifier(), options);
  // The head first: what a running writer appends meanwhile lies beyond it and is no problem.
  await audit.readHead(folder);
  let going = true;
  for await (const frame of readFrames(folder)) {
    if (!going) audit.follows(frame);
    if (!going) break;
    going = await audit.take(frame);
  }
  return audit.result();
}

function hasBlocks(path: string): boolean {
  return existsSync(join(path, '0000000000.blocks'));
}

class Audit {
  readonly #verifier: Verifier;
  readonly #trust: Uint8Array | undefined;
  readonly #version: number | undefined;
  readonly #outside: OutsideHead | undefined;
  readonly #others: OutsideHead[] = [];
  readonly #problems: Problem[] = [];
  /** No fault of the ledger: they keep no other check from being made. */
  readonly #convicted: Problem[] = [];
  readonly #notes: string[] = [];
  readonly #values = new MemoryValues();
  readonly #chain: ChainCheck;
  #head: StoredHead | undefined;
  #cosigned: CosignedCheck | undefined;
  #point: ChainPoint;
  #trusted = false;

  constructor(verifier: Verifier, { trust, head, others = [] }: AuditOptions) {
    this.#verifier = verifier;
    this.#point = startOf(verifier);
    this.#chain = new ChainCheck(verifier.sha256);
    this.#trust = trust;
    this.#version = this.#try('the trust root from outside', () => trust && openRoot(verifier, trust).root.version);
    this.#outside = this.#try('the head from outside', () => head && new OutsideHead(head));
    for (const other of others) {
      const one = this.#try('another head', () => new OutsideHead(other));
      if (one) this.#others.push(one);
    }
  }

  async readHead(folder: string): Promise<void> {
    const bytes = await readFile(join(folder, HEAD_FILE)).catch(() => undefined);
    if (!bytes) this.#problem('BAD_HEAD', 'head file', 'the head file is missing');
    else this.#head = this.#try('head file', () => readStoredHead(new Uint8Array(bytes)));
    // Absent where no peer cosigns. Read before the blocks: what the peers signed is in them.
    const cosigned = await readFile(join(folder, COSIGNED_FILE)).catch(() => undefined);
    if (!cosigned) return;
    this.#cosigned = this.#try('cosigned head', () => new CosignedCheck(new Uint8Array(cosigned)));
  }

  /** @returns false where nothing after this frame can be verified */
  async take(frame: Frame): Promise<boolean> {
    const { number } = this.#point;
    if ('torn' in frame) return this.#torn(frame.whole, frame.torn);
    let block: ReturnType<typeof readBlock>;
    try {
      block = readBlock(frame.bytes);
    } catch (error) {
      this.#problem(codeOf(error), whereOf(frame.place, number), `not a block: ${(error as Error).message}`);
      return false;
    }
    try {
      const { sealed, next } = await replay(this.#point, this.#values, block, this.#verifier);
      this.#lookForTrust(block.transactions, number === 0);
      this.#values.apply(sealed.writes);
      for (const problem of this.#chain.take(sealed, this.#values))
        this.#problem('BAD_CHAIN', problem.where, problem.text);
      for (const { where, text } of convictedIn(sealed, this.#values))
        this.#convicted.push({ code: 'EXISTS', where, text });
      this.#point = next;
    } catch (error) {
      this.#problems.push(await blockProblem(error, this.#point, this.#values, block, frame.place, this.#verifier));
      return false;
    }
    this.#compareHeads();
    return true;
  }

  #torn(whole: { segment: number; offset: number; length: number }, text: string): boolean {
    const { number } = this.#point;
    const promised = !this.#head || number <= this.#head.blockNumber;
    if (promised) this.#problem('TORN', whereOf(whole, number), `block ${number} is incomplete: ${text}`);
    else this.#notes.push(`Beyond the signed head there is an unfinished block: ${text}. Nobody was promised it.`);
    return false;
  }

  /** Only the very last block can be unfinished. */
  follows({ whole }: Frame): void {
    if (this.#problems.length > 0) return;
    this.#problem('TORN', whereOf(whole, this.#point.number), 'this stands behind an unfinished block');
  }

  #compareHeads(): void {
    const head = this.#head;
    if (head && this.#point.number === head.blockNumber + 1) {
      this.#try('head file', () => checkStoredHead(this.#point, head, this.#verifier));
    }
    this.#try('cosigned head', () => this.#cosigned?.compare(this.#point, this.#verifier));
    this.#try('the head from outside', () => this.#outside?.compare(this.#point, this.#verifier));
    for (const other of this.#others) this.#try('another head', () => other.compare(this.#point, this.#verifier));
  }

  /** A later root than the first one is logged behind it, and its block has been judged by the thresholds of both. */
  #lookForTrust(entries: readonly Uint8Array[], first: boolean): void {
    const trust = this.#trust;
    if (trust === undefined || this.#trusted) return;
    this.#trusted = entries.some((bytes) => equal(bytes, trust));
    if (this.#trusted && this.#version! > 1) this.#notes.push(beforeRoot(this.#version!));
    const text = 'entry 0 is another trust root than the one from outside';
    if (first && !this.#trusted && (this.#version ?? 1) === 1) this.#problem('BAD_ROOT', 'entry 0', text);
  }

  #missingTrust(): void {
    if (this.#trust === undefined || this.#trusted) return;
    const text = `it is trust root ${this.#version}, and no entry here is this one`;
    this.#problem('BAD_ROOT', 'the trust root from outside', text);
  }

  result(): AuditResult {
    const { number, frontier } = this.#point;
    const promised = (this.#head?.blockNumber ?? -1) + 1;
    if (this.#problems.length === 0 && number < promised) {
      this.#problem('TORN', 'block files', `they end with block ${number - 1}, the signed head is of ${promised - 1}`);
    }
    if (this.#problems.length === 0) this.#missingTrust();
    if (this.#problems.length === 0) {
      this.#try('cosigned head', () => this.#cosigned?.checkReached(frontier.size));
    }
    if (this.#problems.length === 0 && this.#outside && !this.#outside.found) {
      this.#problem(
        'BAD_HEAD',
        'the head from outside',
        `it is of ${this.#outside.size} entries, here are ${frontier.size}`,
      );
    }
    const missing = this.#problems.length === 0 && this.#others.find(({ found }) => !found);
    if (missing) {
      this.#problem('BAD_HEAD', 'another head', `it is of ${missing.size} entries, here are ${frontier.size}`);
    }
    this.#problems.push(...this.#convicted);
    const ok = this.#problems.length === 0;
    const anchored = ok && this.#trusted && this.#outside?.found === true;
    this.#notes.unshift(anchored ? ANCHORED : notAnchored(ok, this.#trusted, this.#outside?.found === true));
    return {
      ok,
      anchored,
      entries: frontier.size,
      blocks: number,
      root: hex(frontier.root()),
      cosignatures: this.#cosigned?.signatures ?? 0,
      problems: this.#problems,
      note: this.#notes.join(' '),
    };
  }

  #problem(code: Code, where: string, text: string): void {
    this.#problems.push({ code, where, text });
  }

  #try<T>(where: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#problem(error.code, where, error.message);
      return undefined;
    }
  }
}

function beforeRoot(version: number): string {
  return `What stands before trust root ${version} was judged by earlier roots that this ledger itself shows: give trust root 1 to have them compared as well.`;
}

const ANCHORED =
  'Anchored: this is the ledger of the given trust root, and it contains the given head. Without cosignatures it does not show that others were shown the same.';

/** What an owner of all keys could still have done, and what has to be given so that it would be seen. */
function notAnchored(ok: boolean, trusted: boolean, contained: boolean): string {
  if (!ok) return 'Not anchored: what is above has to be settled first.';
  if (trusted) {
    return 'Not anchored: this is the ledger of the given trust root, but no head from outside was compared (--head). Whoever holds all keys of this ledger could have written another history, or cut off its end, and this would look the same.';
  }
  if (contained) {
    return 'Not anchored: this ledger contains the given head, but no trust root from outside was compared (--trust).';
  }
  return 'Not anchored: nothing from outside was compared (--trust, --head). Whoever holds all keys of this ledger could have written another history, or cut off its end, and this would look the same.';
}
