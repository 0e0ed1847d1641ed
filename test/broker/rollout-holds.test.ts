/** What the server holds before it tells devices of a release. */

import { rolloutDriver } from '@countersign/broker/distribution/rollouts/driver';
import type { RolloutView } from '@countersign/broker/ledger/contract/views';
import { Refusal } from '@countersign/device-sdk';
import { type Branch, hex, type Payload } from '@countersign/device-sdk/format';
import test from 'ava';
import { bytesOf, verifier } from '../support/world.ts';

const branch = (name: string): Branch => ({
  payload: { bytes: 900, chainHead: bytesOf(name), frameBytes: 512, frameCount: 2 },
  memoryClass: 'M',
  workspaceBytes: 8192,
});

test('a release of several components is not opened before the payloads of all of them are held', async (t) => {
  const manifest = {
    branches: [branch('application')],
    components: [{ id: 'radio', digest: bytesOf('radio image'), bytes: 900, branches: [branch('radio')] }],
  };
  const view = {
    ...{ rolloutId: hex(bytesOf('rollout', 16)), releaseLeaf: hex(bytesOf('leaf')), state: 'planned', pending: 'open' },
    ...{ wave: 0, block2Digest: null },
  } as RolloutView;
  const asked: string[] = [];
  const submitted: Uint8Array[] = [];
  type Parts = Parameters<typeof rolloutDriver>[0];
  const driver = rolloutDriver({
    verifier,
    clock: { now: () => 0 },
    log: { warn: () => undefined },
    ledger: {
      evaluate: async () => [view],
      submit: async (statement: Uint8Array) => submitted.push(statement),
    },
    releases: { ensure: async () => ({ release: { manifest }, block2Digest: bytesOf('block 2') }) },
    payloads: {
      async frames({ chainHead }: Payload) {
        asked.push(hex(chainHead));
        if (asked.length > 1) throw new Refusal('NOT_FOUND', 'the collection server has it no more');
        return [];
      },
    },
  } as unknown as Parts);
  await driver.carryOut();
  t.deepEqual(asked, [hex(bytesOf('application')), hex(bytesOf('radio'))]);
  t.is(driver.problem(view.rolloutId)?.code, 'NOT_FOUND');
  t.deepEqual(submitted, []);
});
