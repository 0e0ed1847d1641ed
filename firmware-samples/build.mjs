#!/usr/bin/env node
// Builds every release of releases.json into OUT (default: images/) and writes OUT/manifest.json.
// Usage: node build.mjs [--out DIR] [--only PRODUCT-VERSION]   one image alone leaves the manifest as it is
//        node build.mjs --toolchain   prints the compilers and C libraries that would build them, null for an absent one
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const here = import.meta.dirname;
/** By the name that a board gives: the tools' prefix, how to name a core, and the linker script. */
const TOOLCHAINS = {
  arm: {
    prefix: 'arm-none-eabi-',
    core: (cpu) => [`-mcpu=${cpu}`, '-mthumb'],
    script: 'image.ld',
    library: ['newlib', 'newlib.h', '_NEWLIB_VERSION'],
  },
  riscv: {
    prefix: 'riscv64-unknown-elf-',
    core: (cpu) => [`-march=${cpu}`, '-mabi=ilp32', '--specs=picolibc.specs'],
    script: 'image.riscv.ld',
    library: ['picolibc', 'picolibc.h', '__PICOLIBC_VERSION__'],
  },
};
const VENDOR_DOMAIN = 'countersign.example';

// Nothing here may depend on where, when or by whom the build is run: no paths, no times, no build id.
const COMPILE = [
  '-Os',
  '-std=gnu11',
  '-ffunction-sections',
  '-fdata-sections',
  '-fno-unwind-tables',
  '-fno-asynchronous-unwind-tables',
  '-Wall',
  '-Wextra',
  '-Werror',
  `-ffile-prefix-map=${here}=firmware-samples`,
];
const LINK = ['-nostartfiles', '-Wl,--gc-sections', '-Wl,--build-id=none', '-Wl,--no-warn-rwx-segments'];

main();

function main() {
  const options = {
    out: { type: 'string', default: join(here, 'images') },
    only: { type: 'string' },
    toolchain: { type: 'boolean' },
  };
  const { values } = parseArgs({ options });
  if (values.toolchain) return void console.log(JSON.stringify(toolchains()));
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  const { boards, releases } = JSON.parse(readFileSync(join(here, 'releases.json'), 'utf8'));
  const chosen = releases.filter((r) => !values.only || values.only === `${r.product}-${r.version}`);
  if (chosen.length === 0) throw new Error(`no release ${values.only} in releases.json`);
  const samples = chosen.map((release) => build(release, boards[release.product], out));
  for (const s of samples) console.log(`${s.file.padEnd(28)} ${String(s.bytes).padStart(7)} bytes  ${s.sha256}`);
  if (!values.only) writeManifest(out, samples);
}

function writeManifest(out, samples) {
  const manifest = { vendorDomain: VENDOR_DOMAIN, toolchains: toolchains(), samples };
  writeFileSync(join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function build(release, board, out) {
  const { product, version, failsOn } = release;
  const work = mkdtempSync(join(tmpdir(), 'firmware-'));
  try {
    const elf = join(work, 'image.elf');
    const file = `${product}-${version}.bin`;
    const { prefix, core, script } = TOOLCHAINS[board.toolchain];
    const compiler = `${prefix}gcc`;
    const target = [...core(board.cpu), ...COMPILE, ...defines(release), ...includes(product)];
    const objects = sources(release, board.toolchain).map((source, i) => {
      const object = join(work, `${i}.o`);
      run(compiler, [...target, '-c', source, '-o', object]);
      return object;
    });
    run(compiler, [
      ...target,
      ...LINK,
      ...(release.library ?? board.library),
      ...places(board),
      `-T${join(here, 'common', script)}`,
      ...objects,
      '-lm',
      '-o',
      elf,
    ]);
    run(`${prefix}objcopy`, ['-O', 'binary', elf, join(out, file)]);
    chmodSync(join(out, file), 0o644); // objcopy keeps the executable bit of the ELF
    const image = readFileSync(join(out, file));
    const sha256 = createHash('sha256').update(image).digest('hex');
    return { product, version, file, bytes: image.length, sha256, cpu: board.cpu, imageBase: board.imageBase, failsOn };
  } finally {
    rmSync(work, { recursive: true });
  }
}

function defines({ product, version, failsOn }) {
  const [major, minor, patch] = version.split('.').map(Number);
  const octal = (n) => `\\${n.toString(8).padStart(3, '0')}`;
  const list = octal(failsOn.length) + failsOn.map((name) => octal(name.length) + name).join('');
  return [
    `-DFW_PRODUCT="${product}"`,
    `-DFW_VERSION="${version}"`,
    `-DFW_RELEASE=${major * 10000 + minor * 100 + patch}`,
    `-DFW_FAILS_ON="${list}"`,
  ];
}

function includes(product) {
  return [`-I${join(here, product)}`, `-I${join(here, 'common')}`];
}

// The product's own files first: a change in them moves everything that follows, as it does in real releases. Where a
// release puts the common ones first, all code moves at once, as when a project is put in order.
function sources({ product, commonFirst }, toolchain) {
  const folders = commonFirst ? ['common', product] : [product, 'common'];
  return folders.flatMap((folder) => {
    const names = readdirSync(join(here, folder)).filter((name) => name.endsWith('.c'));
    return names
      .filter((name) => isFor(toolchain, name, names))
      .sort()
      .map((name) => join(here, folder, name));
  });
}

// NAME.TOOLCHAIN.c stands in for NAME.c there, and is nothing to the others.
function isFor(toolchain, name, names) {
  const [, own] = name.split('.');
  return own === 'c' ? !names.includes(name.replace(/c$/, `${toolchain}.c`)) : own === toolchain;
}

function places({ imageBase, imageBytesMax, ramBytes }) {
  const symbols = { image_base: imageBase, image_bytes_max: imageBytesMax, ram_bytes: ramBytes };
  return Object.entries(symbols).map(([name, value]) => `-Wl,--defsym=${name}=${value}`);
}

// Compiler and C library both decide the bytes.
function toolchains() {
  return Object.fromEntries(Object.entries(TOOLCHAINS).map(([name, toolchain]) => [name, versions(toolchain)]));
}

function versions({ prefix, core, library: [library, header, macro] }) {
  try {
    const compiler = run(`${prefix}gcc`, ['--version']).split('\n')[0].trim();
    const specs = core('').filter((option) => option.startsWith('--specs'));
    const macros = run(`${prefix}gcc`, [...specs, '-dM', '-E', '-include', header, '-x', 'c', '/dev/null']);
    return { compiler, [library]: new RegExp(`#define ${macro} "(.*)"`).exec(macros)[1] };
  } catch {
    return null;
  }
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env: buildEnvironment() });
  if (error) throw new Error(`${command} could not be run: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stderr}`);
  if (stderr) process.stderr.write(stderr);
  return stdout;
}

// C locale: messages and sorting of the tools must not follow the user's.
function buildEnvironment() {
  return { ...process.env, LC_ALL: 'C', SOURCE_DATE_EPOCH: '0' };
}
