/** What the ledger says, fetched from a server and read with the judge's own eyes. */

import type { Session } from '@countersign/broker/face/client/session';
import { codeOf } from '@countersign/device-sdk';
import { Chronicle } from './chronicle.ts';

const PAGE = 1_000;
/** Of a block in a file, big-endian. */
const LENGTH_BYTES = 4;

/**
 * Block by block, each with its signed head and its time. A server that keeps no block files has entries alone: what is
 * judged by times is then not judged, which `timeOf` says.
 * @throws Refusal UNREACHABLE
 */
export async function readRecord(session: Session): Promise<Chronicle> {
  const chronicle = new Chronicle();
  try {
    await readBlocks(session, chronicle);
  } catch (error) {
    if (codeOf(error) !== 'NOT_FOUND') throw error;
  }
  await readEntries(session, chronicle);
  return chronicle;
}

async function readBlocks({ api }: Session, chronicle: Chronicle): Promise<void> {
  const { files } = (await api.get('/api/v1/ledger/files')) as { files: { name: string; bytes: number }[] };
  for (const { name, bytes } of files) {
    const file = Buffer.from(await api.bytes(`/api/v1/ledger/files/${name}?bytes=${bytes}`));
    for (let at = 0; at + LENGTH_BYTES <= file.length; ) {
      const end = at + LENGTH_BYTES + file.readUInt32BE(at);
      // The file grew while its size was read: this block is not there whole yet.
      if (end > file.length) break;
      chronicle.addBlock(new Uint8Array(file.subarray(at + LENGTH_BYTES, end)));
      at = end;
    }
  }
}

/** What came behind the last block that was read, if anything did. */
async function readEntries({ api }: Session, chronicle: Chronicle): Promise<void> {
  for (;;) {
    const query = { from: String(chronicle.entries), count: String(PAGE) };
    const page = await api.get('/api/v1/ledger/entries', query);
    const list = (page as { entries: string[] }).entries;
    for (const text of list) chronicle.add(new Uint8Array(Buffer.from(text, 'hex')));
    if (list.length === 0) return;
  }
}
