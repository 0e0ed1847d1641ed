export * from './applies.ts';
export * from './chain.ts';
export * from './fresh.ts';
export * from './head.ts';
export * from './release.ts';
export * from './root.ts';
export * from './signed.ts';
export type * from './types.ts';
