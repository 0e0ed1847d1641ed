/** The encoder of delta containers, and the same work in a thread of its own. */
export { applyDelta } from './apply.ts';
export { type BsdiffOptions, bsdiffCopies, bsdiffPatch } from './bsdiff-child.ts';
export { type Made, type MadeInfo, type MakeOptions, makeDelta, makeFull } from './encode.ts';
export { makeDeltaInWorker, makeFullInWorker } from './in-worker.ts';
export { explainDelta } from './info/explain.ts';
export { type ContainerInfo, type DeltaInfo, deltaInfo } from './info/info.ts';
export type { ProgressTold, Tell } from './progress.ts';
export {
  type Bsdiff40Made,
  bsdiff40Make,
  type DeltaApplied,
  type DeltaMade,
  deltaApply,
  deltaMake,
} from './verbs.ts';
