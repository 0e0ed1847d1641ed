/** What a device has to carry: the SDK bundled and minified, its size, and what must not be in it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { slim, withoutSentences } from '@countersign/device-sdk/host/slim';
import test from 'ava';
import { type BuildOptions, build } from 'esbuild';
import { repository } from '../support/repository.ts';
import { type Bundle, bundle, PLAIN, SDK_BUILDS, SLIM } from '../support/sdk-builds.ts';

/** Files with what they add, the heaviest first: where to look when it has grown. */
function weights({ meta }: Bundle): [path: string, bytes: number][] {
  const [output] = Object.values(meta.outputs);
  const all = Object.entries(output!.inputs).map(([path, { bytesInOutput }]): [string, number] => [
    path,
    bytesInOutput,
  ]);
  return all.filter(([, bytes]) => bytes > 0).sort((a, b) => b[1] - a[1]);
}

for (const { name, entries, bytesMax, slimMax } of SDK_BUILDS) {
  test(`does not grow unnoticed: ${name}`, async (t) => {
    for (const [options, most] of [[PLAIN, bytesMax] as const, [SLIM, slimMax] as const]) {
      const made = await bundle(entries, options);
      const bytes = Buffer.byteLength(made.text);
      t.log(`${bytes} bytes minified, ${gzipSync(made.text, { level: 9 }).length} with gzip`);
      const heaviest = weights(made).slice(0, 10);
      t.true(bytes < most, heaviest.map(([path, part]) => `${part} ${path}`).join('\n'));
    }
  });
}

/** For packages of the server's side that are CommonJS. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(process.cwd() + '/');";

test('without its sentences and long names a device does the same, with the same codes', async (t) => {
  const run = async (options: BuildOptions): Promise<unknown[][]> => {
    const child = join(repository, 'test/dist/support/slim-child.js');
    const made = await build({
      ...{ entryPoints: [child], bundle: true, platform: 'node', format: 'esm', write: false, logLevel: 'silent' },
      ...{ banner: { js: REQUIRE }, ...options },
    });
    const input = made.outputFiles![0]!.text;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-'], { input });
    t.is(status, 0, stderr.toString());
    return JSON.parse(stdout.toString());
  };
  const plain = await run(PLAIN);
  t.deepEqual(plain.at(-1)!.slice(1, 4), [['trial', 'updated', 'trial', 'updated'], 4, 4]);
  t.deepEqual(await run(SLIM), plain);
});

test('no name that an integrator writes is shortened', (t) => {
  const { mangleProps } = slim();
  const internal = mangleProps.source.slice(4, -2).split('|');
  t.true(internal.length > 40);
  for (const file of ['ports', 'device-ports', 'errors']) {
    const words = readFileSync(join(repository, `device-sdk/src/${file}.ts`), 'utf8').match(/\w+/g)!;
    t.deepEqual(
      words.filter((word) => mangleProps.test(word)),
      [],
      file,
    );
  }
});

test('only the sentences go, whatever stands in them', (t) => {
  const rows = [
    [`demand(a(')', x), 'C', \`\${b(\`}\${c}\`)} d\`);`, "demand(a(')', x), 'C');"],
    ["throw new Refusal('C', \"it's\", { cause });", 'throw new Refusal(\'C\',"", { cause });'],
    ["asArray(asTagged(v, 'w', 4), 'w', 3)", 'asArray(asTagged(v,"", 4),"", 3)'],
    ["demand(/[)'/]/u.test(v), 'C', 'x',\n)", "demand(/[)'/]/u.test(v), 'C')"],
    ['// demand(a, b, c)\nfunction demand(a, b, c) {}', '// demand(a, b, c)\nfunction demand(a, b, c) {}'],
    ["this.demand(a, b, c); 'demand(a, b, c)'", "this.demand(a, b, c); 'demand(a, b, c)'"],
  ];
  for (const [code, expected] of rows) t.is(withoutSentences(code!), expected!);
});

test('a device carries the decoders that it brings, and no other', async (t) => {
  const carried = async (names: string) =>
    weights(await bundle(['index', `{ ${names} } from delta/decoders`])).map(([path]) => path);
  const one = await carried('lite, thumb');
  t.true(one.some((path) => path.endsWith('/cpu/thumb.js')));
  t.deepEqual(
    one.filter((path) => /cpu\/(?!thumb|none)|mix|states|followers|weights/.test(path)),
    [],
  );
  t.false(
    (await carried('thumb')).some((path) => /ranged|coding|lite|model\/units/.test(path)),
    'class S for one processor',
  );
});

test('a device carries no inspector, rig, Node adapter or server, and no second crypto backend', async (t) => {
  const files = weights(await bundle(['index'])).map(([path]) => path);
  t.true(files.length > 30);
  for (const path of files) {
    t.regex(path, /(^|\/)device-sdk\/dist\/src\//, path);
    t.notRegex(path, /\/format\/(inspect|suit-labels|index)\.js$|\/src\/crypto\/|\/delta\/model\//, path);
  }
  const ed25519 = weights(await bundle(['index', 'crypto/noble-ed25519'])).map(([path]) => path);
  t.false(
    ed25519.some((path) => /nist\.js|weierstrass\.js|tweetnacl/.test(path)),
    'P-256 is a choice of its own',
  );
});

test('a device carries no writer of what servers write', async (t) => {
  const { text } = await bundle(['index'], { minify: false });
  t.true(text.includes('function readAnnouncement('), 'names can be seen in this bundle');
  const writers = [
    ...['encodeAnnouncement', 'encodeEnvelope', 'encodeReceipt', 'encodeProvision', 'encodeSignedRoot', 'encodeAnswer'],
    ...[
      'signBlock1',
      'signBlock2',
      'signHead',
      'signDetached',
      'rolloutValue',
      'ackValue',
      'commandValue',
      'makeFrames',
    ],
    ...['transactionValue', 'inspectEnvelope', 'inspectDelta'],
  ];
  for (const name of writers) t.false(new RegExp(`function ${name}\\b`).test(text), name);
});
