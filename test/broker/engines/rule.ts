import type { ExecutionContext } from 'ava';
import type { Engine } from './engine.ts';

/** One rule of the contract, tried in a world of this engine. */
export type Rule = (t: ExecutionContext, engine: Engine) => Promise<void>;
export type NamedRule = [title: string, run: Rule];
