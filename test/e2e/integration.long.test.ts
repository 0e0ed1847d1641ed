/** docs/INTEGRATION.md, block after block, in an empty folder. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { temporary } from '../support/command.ts';
import { runHere } from '../support/command-here.ts';
import { freePort } from '../support/ports.ts';
import { repository } from '../support/repository.ts';

interface Block {
  language: string;
  name: string;
  text: string;
}

function blocks(): Block[] {
  const page = readFileSync(join(repository, 'docs/INTEGRATION.md'), 'utf8').split('\n## The parts of a profile')[0]!;
  return [...page.matchAll(/^```(\w+) ?([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, language, name, text]) => ({
    language: language!,
    name: name!,
    text: text!,
  }));
}

test('an empty folder becomes a device, and takes a verified update', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  const ports = { 18830: await freePort(), 18880: await freePort() };
  const filled = (text: string) =>
    Object.entries(ports).reduce((all, [shown, free]) => all.replaceAll(shown, String(free)), text);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_')));
  const shell = { cwd: folder, env: { ...env, PATH: `${join(folder, 'node_modules/.bin')}:${env.PATH}` } };
  const running: ChildProcess[] = [];
  let output = '';
  const background = (text: string) => {
    // A group of its own, so that the loop and what it has started end together.
    const child = spawn('bash', ['-c', text], { ...shell, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (part) => (output += part));
    return child;
  };
  // Whatever they have started holds their pipes: closed, nobody writes into the folder any more.
  t.teardown(() =>
    Promise.all(
      running.map((child) => {
        const closed = new Promise((resolve) => child.once('close', resolve));
        process.kill(-child.pid!, 'SIGKILL');
        return closed;
      }),
    ),
  );

  const seen: string[] = [];
  for (const { language, name, text } of blocks()) {
    seen.push(name || language);
    if (language === 'json') writeFileSync(join(folder, name), filled(text));
    else if (name === 'server' || name === 'device') {
      background(filled(text).replaceAll('npx countersign', 'countersign'));
      if (name === 'server') while (!output.includes('countersign is up')) await pause();
    } else {
      const script = `set -e\n${filled(text).replaceAll('npx countersign', 'countersign')}`;
      await promisify(execFile)('bash', ['-c', script], shell).catch((error) => t.fail(`${error.stderr}\n${output}`));
    }
  }
  t.deepEqual(seen, ['server', 'gateway.json', 'sh', 'device', 'sh']);

  // The page itself asks by a process; asking again and again needs none.
  const ask = async () => JSON.parse((await runHere('devices', '--data', join(folder, 'server'), '--json')).stdout)[0];
  let device = await ask();
  while (device.outcome !== 'updated') {
    await pause();
    device = await ask();
  }
  t.is(device.version, '1.0.1');
  t.is(readlinkSync(join(folder, 'current')), 'state/slot-1.bin');
  const expected = readSample('sensor-node', '1.0.1');
  t.deepEqual(
    new Uint8Array(readFileSync(join(folder, 'current')).subarray(0, expected.length)),
    new Uint8Array(expected),
  );
  t.regex(output, /booted slot 1 on trial/);
});

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 200));
}
