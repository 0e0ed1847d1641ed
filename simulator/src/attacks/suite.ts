/** The named attacks, in the order and the words of docs/THREATS.md. */
import type { Attack } from './attack.ts';
import { endlessData, patchBomb } from './rows/bombs.ts';
import { extraComponent, mixAndMatch, otherModel, partialBundle, wrongLocation } from './rows/content.ts';
import { wrongFormat, wrongPrecursor } from './rows/delta-base.ts';
import { clockAttack, fastForward, freeze } from './rows/freeze.ts';
import { coverage, extraData, payloadSwap } from './rows/image-swap.ts';
import { halfRotated, logRewrite, revokedKey, splitView, unlogged } from './rows/ledger-proofs.ts';
import { bootLoop, clone, gateway, herd, powerCut, reports } from './rows/life.ts';
import { dropped, mirror, onPath, redirect, slow } from './rows/network.ts';
import { override } from './rows/override.ts';
import { parser, toctou } from './rows/parser.ts';
import { offlineOld, rollback } from './rows/rollback.ts';
import { unapproved } from './rows/server-approvals.ts';
import { eavesdropping } from './rows/server-network.ts';
import { unauthorised } from './rows/server-operators.ts';
import { tampering } from './rows/server-uploads.ts';
import {
  arbitraryInstallation,
  crossProtocol,
  oneSigner,
  otherContent,
  sameKeyTwice,
  signatureStripping,
} from './rows/signatures.ts';

export const ATTACKS: readonly Attack[] = [
  arbitraryInstallation,
  signatureStripping,
  oneSigner,
  sameKeyTwice,
  crossProtocol,
  otherContent,
  rollback,
  offlineOld,
  freeze,
  fastForward,
  mixAndMatch,
  partialBundle,
  extraComponent,
  otherModel,
  wrongPrecursor,
  wrongFormat,
  wrongLocation,
  endlessData,
  patchBomb,
  extraData,
  coverage,
  payloadSwap,
  toctou,
  parser,
  override,
  unapproved,
  tampering,
  splitView,
  logRewrite,
  unlogged,
  halfRotated,
  revokedKey,
  clockAttack,
  redirect,
  eavesdropping,
  onPath,
  dropped,
  slow,
  mirror,
  herd,
  reports,
  clone,
  gateway,
  unauthorised,
  powerCut,
  bootLoop,
];
