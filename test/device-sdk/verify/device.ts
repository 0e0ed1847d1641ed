/** Releases that are not for this device, or not now. */
import { ABORTED, PAUSED } from '@countersign/device-sdk/format';
import { TIME } from '../../support/pocket.ts';
import { type Row, resources, scene } from './scene.ts';

export const DEVICE: Row[] = [
  [
    'another class',
    'WRONG_CLASS',
    async () => {
      const s = await scene();
      s.trust.device.classId = new Uint8Array(16);
      return [s, await s.server.announcement()];
    },
  ],
  [
    'another vendor',
    'WRONG_VENDOR',
    async () => {
      const s = await scene();
      s.trust.device.vendorId = new Uint8Array(16);
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a lower sequence than the running one',
    'ROLLBACK',
    async () => {
      const s = await scene();
      s.trust.device.running = { ...s.trust.device.running, sequence: 5 };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a sequence below the floor',
    'ROLLBACK',
    async () => {
      const s = await scene();
      s.trust.device.floor = 3;
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a paused rollout',
    'NOT_OPEN',
    async () => {
      const s = await scene({ state: PAUSED });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'an aborted rollout',
    'NOT_OPEN',
    async () => {
      const s = await scene({ state: ABORTED });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a rollout window that is over',
    'NOT_OPEN',
    async () => {
      const s = await scene({ rollout: { window: { start: 0, end: TIME } } });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a wave without this device',
    'NOT_IN_COHORT',
    async () => {
      const s = await scene({ rollout: { cohorts: [{ threshold: 0 }] } });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'an older rollout statement than one seen',
    'STALE',
    async () => {
      const s = await scene();
      s.trust.rolloutSequence = 9;
      return [s, await s.server.announcement()];
    },
  ],
  [
    'an image larger than the slot',
    'NO_SPACE',
    async () => {
      const s = await scene();
      return [s, await s.server.announcement(), {}, { ...resources, slotBytes: 2048 }];
    },
  ],
  [
    'a workspace smaller than every branch needs',
    'NO_MEMORY',
    async () => {
      const s = await scene();
      return [s, await s.server.announcement(), {}, { ...resources, workspaceBytes: 64 }];
    },
  ],
  [
    'branches that all failed before',
    'FAILED_BEFORE',
    async () => {
      const s = await scene();
      const failedBranches = s.second.manifest.branches.map((branch) => branch.payload.chainHead);
      return [s, await s.server.announcement(), {}, { ...resources, failedBranches }];
    },
  ],
];
