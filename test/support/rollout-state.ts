/** The state of a rollout, as a running server tells it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { getRollout } from '@countersign/broker/face/client/rollouts';
import { openSession } from '@countersign/broker/face/client/session';
import { readEndpointFile } from '@countersign/broker/face/up/endpoint-file';

const LOOK_MS = 20;
/** A minute of looks, for a machine that is busy. */
const LOOKS_MAX = 3_000;

/** Asks the server itself: a process for each look would take longer than what is waited for. */
export async function waitForState(data: string, rolloutId: string, state: string) {
  const token = (await readFile(join(data, 'client-token'), 'utf8')).trim();
  const session = await openSession(apiClient((await readEndpointFile(data)).url, token));
  for (let i = 0; i < LOOKS_MAX; i++) {
    if ((await getRollout(session, rolloutId)).state === state) return;
    await sleep(LOOK_MS);
  }
  throw new Error(`rollout ${rolloutId} did not become ${state}`);
}
