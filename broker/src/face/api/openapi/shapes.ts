/** The shapes that answers are made of. Field by field what ledger/contract/views.ts and the servers' own types say. */
import { DEVICE_SHAPES } from './device-shapes.ts';
import { LEDGER_SHAPES } from './ledger-shapes.ts';
import { RELEASE_SHAPES } from './release-shapes.ts';
import { ROLLOUT_SHAPES } from './rollout-shapes.ts';
import type { Schema } from './schema.ts';
import { SERVER_SHAPES } from './server-shapes.ts';

export const SHAPES: Record<string, Schema> = {
  ...LEDGER_SHAPES,
  ...RELEASE_SHAPES,
  ...DEVICE_SHAPES,
  ...ROLLOUT_SHAPES,
  ...SERVER_SHAPES,
};
