/**
 * The sample products and the first release of each, so that devices can be provisioned at once. It walks the same way
 * as people do, over the API with their keys, and takes up where an earlier start was cut off.
 */
import { codeOf } from '@countersign/device-sdk';
import type { PredictorName } from '@countersign/device-sdk/delta/model';
import { FRAME_BYTES, type MemoryClass, type Signer } from '@countersign/device-sdk/format';
import { readSample, type Sample, samples, vendorDomain } from '@countersign/firmware-samples';
import type { ReleaseView } from '../../ledger/contract/views.ts';
import { approve, getRelease, publish, registerProduct, waitForRelease } from '../client/releases.ts';
import type { Session } from '../client/session.ts';

/** Slot sizes are the flash that the linker scripts leave for an image. */
export const SAMPLE_PRODUCTS: readonly { name: string; memoryClass: MemoryClass; slotBytes: number }[] = [
  { name: 'sensor-node', memoryClass: 'L', slotBytes: 229_376 },
  { name: 'valve-controller', memoryClass: 'S', slotBytes: 114_688 },
];

/** The instruction set that the encoder predicts for, by the core that a sample is compiled for. */
export function predictorOf(cpu: Sample['cpu']): PredictorName {
  return cpu === 'rv32imac' ? 'riscv' : 'thumb';
}

/** An approved release is confirmed within a second; a slow disk may need more. */
const CONFIRM_MS_MAX = 30_000;

/** @returns what is there afterwards, `product@version` each */
export async function publishSamples(
  session: Session,
  people: { engineer: Signer; approver: Signer },
  tell: (text: string) => void,
): Promise<string[]> {
  const done: string[] = [];
  for (const product of SAMPLE_PRODUCTS) {
    const [first] = samples.filter((sample) => sample.product === product.name);
    await ensureProduct(session, people.engineer, {
      ...product,
      imageBase: first!.imageBase,
      cpu: predictorOf(first!.cpu),
    });
    await ensureRelease(session, people, first!, tell);
    done.push(`${product.name}@${first!.version}`);
  }
  return done;
}

async function ensureProduct(
  session: Session,
  engineer: Signer,
  product: { name: string; memoryClass: MemoryClass; slotBytes: number; imageBase: number; cpu: PredictorName },
): Promise<void> {
  try {
    await registerProduct(session, engineer, {
      ...product,
      vendorDomain,
      frameBytes: FRAME_BYTES[product.memoryClass],
    });
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'EXISTS' && code !== 'CONFLICT') throw error;
  }
}

async function ensureRelease(
  session: Session,
  people: { engineer: Signer; approver: Signer },
  sample: { product: string; version: string; file: string },
  tell: (text: string) => void,
): Promise<void> {
  const name = `${sample.product}@${sample.version}`;
  let release = await find(session, name);
  if (!release) {
    tell(`publishing the sample ${name} …`);
    const policy = { mandatory: true, log: true, reboot: true, downgrade: false };
    const order = { product: sample.product, version: sample.version, fileName: sample.file, policy };
    release = (await publish(session, people.engineer, readSample(sample.product, sample.version), order)).release;
  }
  if (release.state === 'uploaded') await approve(session, people.approver, release.releaseLeaf);
  if (release.state !== 'confirmed') await waitForRelease(session, release.releaseLeaf, 'confirmed', CONFIRM_MS_MAX);
}

async function find(session: Session, name: string): Promise<ReleaseView | undefined> {
  try {
    return await getRelease(session, name);
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}
