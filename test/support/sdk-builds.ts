/** What devices carry of the SDK, by what they can do: bundled and minified for no platform in particular. */
import { join } from 'node:path';
import { slim } from '@countersign/device-sdk/host/slim';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { repository } from './repository.ts';

export interface SdkBuild {
  name: string;
  /** Modules of the SDK, or `names from module` for some of what one exports. */
  entries: string[];
  /** A little above what was measured last, and the goal where there is one. */
  bytesMax: number;
  /** The same for a build with the options of `host/slim`. */
  slimMax: number;
  goalBytes?: number;
}

const CLASS_L_CORTEX_M = '{ lite, thumb } from delta/decoders';

export const SDK_BUILDS: readonly SdkBuild[] = [
  { name: 'core: two slots, class S', entries: ['index'], bytesMax: 97_300, slimMax: 81_500, goalBytes: 40_000 },
  {
    name: 'core, one Cortex-M predictor',
    entries: ['index', '{ thumb } from delta/decoders'],
    bytesMax: 108_100,
    slimMax: 91_900,
  },
  {
    name: 'core, classes M and L',
    entries: ['index', '{ lite } from delta/decoders'],
    bytesMax: 116_700,
    slimMax: 100_100,
  },
  {
    name: 'core, classes M and L for Cortex-M',
    entries: ['index', CLASS_L_CORTEX_M],
    bytesMax: 118_800,
    slimMax: 102_300,
  },
  { name: 'core, every decoder', entries: ['index', 'delta/decoders'], bytesMax: 133_100, slimMax: 116_500 },
  { name: 'core, one slot', entries: ['index', 'one-slot'], bytesMax: 104_300, slimMax: 87_500 },
  {
    name: 'core with Ed25519 and SHA-256 of noble',
    entries: ['index', 'crypto/noble-ed25519'],
    bytesMax: 137_700,
    slimMax: 121_400,
    goalBytes: 80_000,
  },
  {
    name: 'core with P-256 besides',
    entries: ['index', 'crypto/noble'],
    bytesMax: 157_700,
    slimMax: 141_400,
    goalBytes: 100_000,
  },
  {
    name: 'everything',
    entries: ['index', 'one-slot', 'delta/decoders', 'crypto/noble'],
    bytesMax: 200_600,
    slimMax: 182_400,
  },
];

export const PLAIN: BuildOptions = { minify: true };
/** As the documentation tells integrators to build for a small device. */
export const SLIM: BuildOptions = { minify: true, ...slim() };

export interface Bundle {
  text: string;
  meta: Metafile;
}

/** An import that only Node could resolve is an error. */
export async function bundle(entries: readonly string[], options = PLAIN): Promise<Bundle> {
  const lines = entries.map((entry) => {
    const [, names, path] = /^(?:(\{.*\}) from )?(.*)$/.exec(entry)!;
    return `export ${names ?? '*'} from './dist/src/${path}.js';`;
  });
  const result = await build({
    stdin: { contents: lines.join('\n'), resolveDir: join(repository, 'device-sdk') },
    ...{ bundle: true, format: 'esm', platform: 'neutral', target: 'es2023' },
    ...{ ...options, metafile: true, write: false, logLevel: 'silent' },
  });
  return { text: result.outputFiles[0]!.text, meta: result.metafile };
}
