/** The README's first gateway program, compiled from the README itself, under a supervisor, against a real server. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { transform } from 'esbuild';
import { up } from '../support/command.ts';
import { runHere, runHereJson as runJson } from '../support/command-here.ts';
import { repository } from '../support/repository.ts';

const LINES_MAX = 30;
/** Seconds here; a machine may have much else to do. */
const ARRIVED_MS_MAX = 240_000;

function program(): string {
  const readme = readFileSync(join(repository, 'README.md'), 'utf8');
  const [, text] = /## A gateway's first program[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme)!;
  return text!;
}

async function compile(folder: string): Promise<void> {
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  // Its types are checked with those of all programs in documents.
  const { code } = await transform(program(), { loader: 'ts', target: 'es2023' });
  writeFileSync(join(folder, 'gateway.js'), code);
}

/** Starts the program, and again whenever it ends, until it says that an update was confirmed. */
class Supervisor {
  starts = 0;
  output = '';
  #child: ReturnType<typeof spawn> | undefined;
  #ended = false;
  readonly #folder: string;
  readonly #args: string[];

  constructor(folder: string, ...args: string[]) {
    this.#folder = folder;
    this.#args = args;
  }

  async supervise(): Promise<void> {
    while (!this.#ended && this.starts < 10) {
      this.starts++;
      this.#child = spawn(process.execPath, ['gateway.js', ...this.#args], { cwd: this.#folder });
      for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          this.output += text;
        });
      }
      await once(this.#child, 'close');
    }
  }

  end(): void {
    this.#ended = true;
    this.#child?.kill('SIGKILL');
  }
}

test("the README's gateway takes an update from a running server, in real files", async (t) => {
  t.timeout(600_000);
  t.true(program().trimEnd().split('\n').length < LINES_MAX, 'the first program is under 30 lines');
  const folder = mkdtempSync(join(tmpdir(), 'countersign-gateway-'));
  const server = await up('--data', join(folder, 'server'), '--port', '0', '--mqtt-port', '0');
  const data = ['--data', server.ready.data];
  await compile(folder);
  const gateway = new Supervisor(folder, server.ready.mqtt);
  t.teardown(async () => {
    gateway.end();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  await promisify(execFile)(process.execPath, ['gateway.js', server.ready.mqtt], { cwd: folder }).then(({ stdout }) => {
    writeFileSync(join(folder, 'public'), stdout.trim());
  });
  const key = readFileSync(join(folder, 'public'), 'utf8');
  const enrol = ['devices', 'enrol', '--product', 'sensor-node', '--key', key, '--provision', '1.0.0', '--out', folder];
  const enrolled = await runJson<{ devices: { deviceId: string }[] }>(...enrol, ...data, '--as', 'operator');
  t.is(enrolled.code, 0, enrolled.stderr);
  const { deviceId } = enrolled.json.devices[0]!;

  const image = join(folder, 'new.bin');
  writeFileSync(image, readSample('sensor-node', '1.0.1'));
  const publish = ['publish', image, '--product', 'sensor-node', '--version', '1.0.1', ...data, '--as', 'engineer'];
  t.is((await runHere(...publish)).code, 0);
  t.is((await runHere('approve', 'sensor-node@1.0.1', ...data, '--as', 'approver')).code, 0);
  const open = ['rollout', 'open', 'sensor-node@1.0.1', '--jitter', '0', ...data, '--as', 'operator'];
  t.is((await runHere(...open)).code, 0);

  const supervised = gateway.supervise();
  const device = await waitFor(async () => {
    const { json } = await runJson('devices', deviceId, ...data);
    return json.outcome === 'updated' ? json : undefined;
  });
  gateway.end();
  await supervised;
  t.truthy(device, gateway.output);
  t.like(device, { updateState: 0, updateResult: 1, reason: 0, unanswered: null }, 'LwM2M: idle, updated; SUIT: OK');
  const { stdout } = await runHere('devices', deviceId.slice(0, 8), ...data);
  t.regex(stdout, /^LwM2M update +state 0 \(idle\), result 1 \(updated\)$/m);
  t.notRegex(stdout, /^[a-z]+[A-Z]/m, 'people read words, not field names');
  t.true(gateway.starts >= 2, 'the trial began with a restart');
  const slot = readFileSync(join(folder, 'gateway/slot-1.bin')).subarray(0, readSample('sensor-node', '1.0.1').length);
  t.deepEqual(new Uint8Array(slot), new Uint8Array(readSample('sensor-node', '1.0.1')));
});

async function waitFor<T>(look: () => Promise<T | undefined>): Promise<T | undefined> {
  for (const end = Date.now() + ARRIVED_MS_MAX; Date.now() < end; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return undefined;
}
