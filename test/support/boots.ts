/** Every boot control of the SDK under one handle: a machine that can be switched on again and again. */
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { BootControl, SlotNumber } from '@countersign/device-sdk';
import { FileBoot } from '@countersign/device-sdk/host/file-boot';
import { LinkBoot } from '@countersign/device-sdk/host/link-boot';
import { UbootBoot } from '@countersign/device-sdk/host/uboot-boot';
import { type EnvCopy, imageEnv, type UbootEnv } from '@countersign/device-sdk/host/uboot-env';
import { VirtualBoot, VirtualFlash } from '@countersign/device-sdk/rig';

export interface Machine {
  /** The loader runs, then the SDK's side is opened on what it left. */
  on(): BootControl;
}

/** Jumps into a slot on trial before these machines go back. */
export const ATTEMPTS = 2;

export const MACHINES: Record<string, (folder: string) => Machine> = {
  'the rig': () => {
    const flash = () => new VirtualFlash({ bytes: 8192, eraseBytes: 4096, writeBytes: 4 });
    const slots = [flash(), flash()] as const;
    for (const slot of slots) slot.write(0, new Uint8Array([1, 2, 3, 4]));
    const boot = new VirtualBoot({ slots, attemptsMax: ATTEMPTS });
    return {
      on() {
        boot.boot();
        return boot;
      },
    };
  },
  'a record in a file': (folder) => ({
    on() {
      const boot = new FileBoot(join(folder, 'boot.json'), { attemptsMax: ATTEMPTS });
      boot.boot();
      return boot;
    },
  }),
  'a symbolic link': (folder) => ({
    on() {
      const [record, current] = [join(folder, 'boot.json'), join(folder, 'current')];
      const boot = new LinkBoot({ record, current, targets: ['slot-a', 'slot-b'], attemptsMax: ATTEMPTS });
      const slot = boot.boot();
      if (readlinkSync(current) !== ['slot-a', 'slot-b'][slot]) throw new Error('the link names another slot');
      return boot;
    },
  }),
  'U-Boot, counting while an upgrade is available': (folder) => {
    const env = imageEnv(makeEnv(folder, { boot_slot: 'A', upgrade_available: '0', bootlimit: String(ATTEMPTS) }));
    return { on: () => ubootBoot(env, 'upgrade', upgradeLoader(env)) };
  },
  'U-Boot, by an order of slots': (folder) => {
    const env = imageEnv(makeEnv(folder, { BOOT_ORDER: 'A B', BOOT_A_LEFT: '2', BOOT_B_LEFT: '0' }));
    return { on: () => ubootBoot(env, 'order', orderLoader(env)) };
  },
};

function ubootBoot(env: UbootEnv, style: 'upgrade' | 'order', slot: SlotNumber): BootControl {
  const boot = new UbootBoot({ env, style, running: () => slot, attemptsMax: ATTEMPTS, restart: () => undefined });
  boot.boot();
  return boot;
}

/** What U-Boot does with CONFIG_BOOTCOUNT_ENV, and an `altbootcmd` that swaps the slot. */
function upgradeLoader(env: UbootEnv): SlotNumber {
  const get = (name: string) => env.read().get(name) ?? '';
  if (get('upgrade_available') === '1') {
    env.change({ bootcount: String(Number(get('bootcount')) + 1) });
    if (Number(get('bootcount')) > Number(get('bootlimit')))
      env.change({ boot_slot: get('boot_slot') === 'A' ? 'B' : 'A', upgrade_available: '0', bootcount: '0' });
  }
  return get('boot_slot') === 'A' ? 0 : 1;
}

/** The usual boot script for an order of slots. */
export function orderLoader(env: UbootEnv): SlotNumber {
  const variables = env.read();
  for (const slot of (variables.get('BOOT_ORDER') ?? '').split(' ')) {
    const left = Number(variables.get(`BOOT_${slot}_LEFT`) ?? '0');
    if (left === 0) continue;
    env.change({ [`BOOT_${slot}_LEFT`]: String(left - 1) });
    return slot === 'A' ? 0 : 1;
  }
  throw new Error('no slot has a boot left');
}

const ENV_BYTES = 4096;

/** Two copies as `saveenv` leaves them, written without the code under test; a third file for the real tools. */
export function makeEnv(folder: string, variables: Record<string, string>, flags: readonly number[] = [1, 0]) {
  mkdirSync(folder, { recursive: true });
  const copies = flags.map((flag, i): EnvCopy => {
    const path = join(folder, `env-${i}.bin`);
    const text = Object.entries(variables).map(([name, value]) => `${name}=${value}\0`);
    const data = Buffer.alloc(ENV_BYTES - 5);
    data.write(text.join(''), 'latin1');
    const crc = Buffer.alloc(4);
    crc.writeUInt32LE(crc32(data));
    writeFileSync(path, Buffer.concat([crc, Buffer.from([flag]), data]));
    return { path, offset: 0, bytes: ENV_BYTES };
  });
  const lines = copies.map(({ path, offset, bytes }) => `${path} ${offset} 0x${bytes.toString(16)}`);
  writeFileSync(join(folder, 'fw_env.config'), `# device offset size\n${lines.join('\n')}\n`);
  return copies;
}
