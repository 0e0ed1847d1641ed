/** A process that writes a ledger until it is killed: told a folder and seeds, it tells each acknowledged leaf. */
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import { leafHash, reportValue, signStatement, unhex } from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';

const { sha256 } = nodeVerifier();
const [dir = '', orderer = '', log = '', ...devices] = process.argv.slice(2);
const signer = (seed: string) => nodeKeyStore(-19, unhex(seed)!);
const ledger = await openLedger(dir, { ordererSigner: signer(orderer), logSigner: signer(log) });
process.stdout.write(`open ${JSON.stringify(ledger.mended)}\n`);
await Promise.all(devices.map(reportForEver));

/** @param device its id and its seed, in hex, with a colon between */
async function reportForEver(device: string): Promise<void> {
  const [id = '', seed = ''] = device.split(':');
  const keys = signer(seed);
  const state = (await ledger.evaluate('getDevice', id)) as { counter: number; lastReport: string | null };
  let { counter } = state;
  let previous = state.lastReport ? unhex(state.lastReport)! : new Uint8Array(32);
  for (;;) {
    const report = {
      deviceId: unhex(id)!,
      epoch: 0,
      counter: ++counter,
      previous,
      headSize: 3,
      attempt: 1,
      manifestDigest: new Uint8Array(32),
      slotDigest: new Uint8Array(32),
      state: 0,
      result: 1,
      reason: 0,
      code: 'OK' as const,
      stages: [],
    };
    const bytes = await signStatement(sha256, 'report', reportValue(report), keys);
    previous = sha256(bytes);
    await ledger.submit(bytes);
    process.stdout.write(`leaf ${Buffer.from(leafHash(sha256, bytes)).toString('hex')}\n`);
  }
}
