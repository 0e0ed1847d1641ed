/**
 * The lists behind grants, as operators handed them in: serials, salts and thumbprints, which the ledger does not have.
 * A list that was lost or changed enrols nobody wrongly: the grant has its root.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { hex, type Sha256, unhex, utf8 } from '@countersign/device-sdk/format';
import { isSerial, type Listing, type ListingAsk, serialDigest } from '@countersign/device-sdk/host/listing';
import { listedLeaf } from '../../ledger/contract/lists.ts';
import type { GrantView } from '../../ledger/contract/views.ts';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import { readIfThere } from '../files.ts';
import { type Levels, levelsOver, pathFrom } from '../merkle-levels.ts';

/** One request carries a list: 10,000 lines have 1.6 MB. A longer run takes several. */
export const LIST_DEVICES_MAX = 10_000;
/** All lists stand in memory: about 500 bytes a line, 100 MB. */
export const LISTED_MAX = 200_000;

/** A line of a list; the order of the lines makes the root. */
export interface ListLine {
  serial: string;
  /** 16 bytes in hex. */
  salt: string;
  /** Thumbprint of the key beside the serial, in hex. */
  print: string;
}

export interface EnrolmentLists {
  /** Keeps the list of this grant, durably. @throws Refusal BAD_REQUEST for another list than was signed, TOO_LARGE */
  put(grant: GrantView, lines: readonly ListLine[]): Promise<void>;
  /** Where this serial stands with this key: on several lists where an earlier one was revoked. */
  find(ask: ListingAsk): Listing[];
  /** The serial of a line. */
  serialAt(grantId: string, index: number): string | undefined;
}

interface List {
  lines: readonly ListLine[];
  levels: Levels;
}

/** @throws Refusal BAD_STORE */
export async function openLists(sha256: Sha256, dir: string): Promise<EnrolmentLists> {
  const folder = join(dir, 'lists');
  await makeFolder(folder, 0o700);
  const lists = new Map<string, List>();
  /** By thumbprint: the grants whose lists have it, and the line. */
  const places = new Map<string, [grantId: string, index: number][]>();
  let all = 0;
  for (const name of (await readdir(folder)).filter((file) => /^[0-9a-f]{32}\.json$/.test(file))) {
    const lines = readLines((await readIfThere(join(folder, name)))!, name);
    add(name.slice(0, 32), { lines, levels: levelsOf(sha256, lines) });
  }

  return {
    async put(grant, lines) {
      checkLines(lines);
      const levels = levelsOf(sha256, lines);
      const signed = grant.kind === 'list' && grant.devices === lines.length && rootOf(levels) === grant.content;
      demand(signed, 'BAD_REQUEST', `this is not the list of grant ${grant.grantId}`);
      if (lists.has(grant.grantId)) return;
      demand(all + lines.length <= LISTED_MAX, 'TOO_LARGE', `at most ${LISTED_MAX} serials in all lists`);
      await writeDurable(join(folder, `${grant.grantId}.json`), utf8(JSON.stringify(lines)), { mode: 0o600 });
      // Asked again: another request may have brought the same list while this one was written.
      if (!lists.has(grant.grantId)) add(grant.grantId, { lines, levels });
    },
    find({ serial, print }) {
      return (places.get(hex(print)) ?? []).flatMap(([grantId, index]) => {
        const { lines, levels } = lists.get(grantId)!;
        const line = lines[index]!;
        if (line.serial !== serial) return [];
        return [{ grantId: unhex(grantId)!, salt: unhex(line.salt)!, index, path: pathFrom(levels, index) }];
      });
    },
    serialAt: (grantId, index) => lists.get(grantId)?.lines[index]?.serial,
  };

  function add(grantId: string, list: List): void {
    lists.set(grantId, list);
    all += list.lines.length;
    for (const [index, { print }] of list.lines.entries()) {
      places.set(print, [...(places.get(print) ?? []), [grantId, index]]);
    }
  }
}

/** The root that an operator signs, in hex. @param lines at least one */
export function listRoot(sha256: Sha256, lines: readonly ListLine[]): string {
  return rootOf(levelsOf(sha256, lines));
}

function rootOf(levels: Levels): string {
  return hex(levels.at(-1)![0]!);
}

function levelsOf(sha256: Sha256, lines: readonly ListLine[]): Levels {
  const leaf = ({ serial, salt, print }: ListLine) =>
    listedLeaf(sha256, serialDigest(sha256, unhex(salt)!, serial), unhex(print)!);
  return levelsOver(sha256, lines.map(leaf));
}

/** A serial or a key that stands twice would enrol two devices. @throws Refusal BAD_REQUEST */
export function checkLines(lines: readonly ListLine[]): void {
  const few = lines.length >= 1 && lines.length <= LIST_DEVICES_MAX;
  demand(few, 'BAD_REQUEST', `a list of ${lines.length} serials, from 1 to ${LIST_DEVICES_MAX}`);
  const seen = new Set<string>();
  for (const { serial, salt, print } of lines) {
    demand(isSerial(serial), 'BAD_REQUEST', 'a serial has 1 to 64 letters, digits and _ . : / + -');
    const good = /^[0-9a-f]{32}$/.test(salt) && /^[0-9a-f]{64}$/.test(print);
    demand(good, 'BAD_REQUEST', `serial ${serial}: a salt has 16 bytes, a thumbprint 32, in lower-case hex`);
    demand(!seen.has(`serial ${serial}`), 'BAD_REQUEST', `serial ${serial} stands twice`);
    demand(!seen.has(`key ${print}`), 'BAD_REQUEST', `the key of serial ${serial} stands twice`);
    seen.add(`serial ${serial}`).add(`key ${print}`);
  }
}

function readLines(bytes: Uint8Array, name: string): ListLine[] {
  try {
    const lines = JSON.parse(new TextDecoder().decode(bytes)) as ListLine[];
    checkLines(lines);
    return lines;
  } catch (cause) {
    throw new Refusal('BAD_STORE', `the list ${name} is damaged`, { cause });
  }
}
