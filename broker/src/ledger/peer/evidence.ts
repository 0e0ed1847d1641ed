/**
 * What an orderer signed and must not have: kept in files, with both sides, for people and for other peers. While there
 * is any the peer signs nothing.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Code, Refusal } from '@countersign/device-sdk';
import { utf8 } from '@countersign/device-sdk/format';
import { makeFolder, writeDurable } from '../../store/durable.ts';

/** The first one proves the lie; more of the same would only fill the disk. */
export const EVIDENCE_MAX = 8;

/** Bytes in lower-case hex. */
export interface Evidence {
  code: Code;
  /** What is wrong, in a sentence. */
  text: string;
  /** Seconds since the epoch at which it was seen. */
  time: number;
  /** Who sent it. */
  from: string;
  /** A block as it came, with the signatures of orderer and log; or null. */
  block: string | null;
  /** A head as it came, signed by the log, and its root; or null. */
  head: { signed: string; root: string } | null;
  /** The head of the own chain at that moment, signed by the log, and its root. */
  own: { signed: string; root: string; size: number };
}

export interface EvidenceFile {
  readonly list: readonly Evidence[];
  add(evidence: Evidence): Promise<void>;
}

/** @param folder made when the first evidence comes. @throws Refusal BAD_STORE for a file that is damaged */
export async function openEvidence(folder: string): Promise<EvidenceFile> {
  const list: Evidence[] = [];
  const names = (await namesIn(folder)).filter((name) => /^\d+\.json$/.test(name)).sort();
  for (const name of names) list.push(await readEvidence(join(folder, name)));
  return {
    list,
    async add(evidence) {
      if (list.length >= EVIDENCE_MAX) return;
      await makeFolder(folder, 0o700);
      const name = `${list.length.toString().padStart(3, '0')}.json`;
      list.push(evidence);
      await writeDurable(join(folder, name), utf8(`${JSON.stringify(evidence, null, 2)}\n`));
    },
  };
}

/** A folder that cannot be read is not one without evidence. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Refusal('BAD_STORE', `${folder} cannot be read`, { cause });
  }
}

/** Not passed over: a peer that forgets what it saw would sign again. */
async function readEvidence(path: string): Promise<Evidence> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Evidence;
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  }
}
