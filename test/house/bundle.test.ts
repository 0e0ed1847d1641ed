/** What a device has to carry: the SDK bundled and minified, its size, and what must not be in it. */
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { type Bundle, bundle, SDK_BUILDS } from '../support/sdk-builds.ts';

/** Files with what they add, the heaviest first: where to look when it has grown. */
function weights({ meta }: Bundle): [path: string, bytes: number][] {
  const [output] = Object.values(meta.outputs);
  const all = Object.entries(output!.inputs).map(([path, { bytesInOutput }]): [string, number] => [
    path,
    bytesInOutput,
  ]);
  return all.filter(([, bytes]) => bytes > 0).sort((a, b) => b[1] - a[1]);
}

for (const { name, entries, bytesMax } of SDK_BUILDS) {
  test(`does not grow unnoticed: ${name}`, async (t) => {
    const made = await bundle(entries);
    const bytes = Buffer.byteLength(made.text);
    t.log(`${bytes} bytes minified, ${gzipSync(made.text, { level: 9 }).length} with gzip`);
    const heaviest = weights(made).slice(0, 10);
    t.true(bytes < bytesMax, heaviest.map(([path, part]) => `${part} ${path}`).join('\n'));
  });
}

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
  const { text } = await bundle(['index'], false);
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
