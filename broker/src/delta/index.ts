export * from './encode.ts';
export { makeDeltaInWorker, makeFullInWorker } from './in-worker.ts';
