/** Node's loader, with every file in scope instrumented on its way. */
import type { LoadHook } from 'node:module';
import { instrument } from './instrument.ts';
import { hasGuards, pathOf } from './scope.ts';

export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context);
  const path = pathOf(url);
  if (path === undefined || loaded.source === undefined || loaded.source === null) return loaded;
  const code = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
  return { ...loaded, source: instrument(path, code, hasGuards(path)).code };
};
