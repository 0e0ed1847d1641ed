/**
 * A witness in a process of its own that kills itself at a moment: `node witness-child.js FOLDER MOMENT`, the request on
 * stdin, the answer on stdout. MOMENT is before or after the checkpoint is stored, or never.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { noteFile } from '@countersign/broker/ledger/c2sp/note-file';
import { readVkey } from '@countersign/broker/ledger/c2sp/vkey';
import { Witness } from '@countersign/broker/ledger/c2sp/witness';
import { ALG_ED25519 } from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';

const [folder = '', moment = '', vkey = ''] = process.argv.slice(2);
const verifier = nodeVerifier();
const file = noteFile(join(folder, 'cosigned'));
const die = (at: string) => moment === at && process.kill(process.pid, 'SIGKILL');
const store = {
  load: () => file.load(),
  async save(note: Uint8Array) {
    die('before');
    await file.save(note);
    die('after');
  },
};
const log = [readVkey(verifier, vkey)];
const signer = nodeKeyStore(ALG_ED25519, new Uint8Array(32).fill(7));
const witness = new Witness({
  verifier,
  log: () => log,
  signer,
  name: 'witness.test',
  store,
  now: () => 1_800_000_000,
});
const answer = await witness.addCheckpoint(new Uint8Array(readFileSync(0)));
process.stdout.write(JSON.stringify(answer));
