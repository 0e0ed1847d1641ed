/** A gateway in one JSON file: where its slots are, who boots them, how it reaches the server, whom it asks. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CODES, type Code, demand, Refusal } from '../src/errors.ts';
import { APPLICATION, COMPONENTS_MAX, isComponentId, type MemoryClass } from '../src/format/suit.ts';
import type { Argv } from './command.ts';
import { isLocalAddress, readAddress } from './local/address.ts';
import { readWindow, type Window } from './owner.ts';
import { Fields } from './profile-fields.ts';
import type { InstallCommands } from './target-installer.ts';
import type { UbootNames } from './uboot-boot.ts';

export type SlotsProfile = { kind: 'file'; bytes: number } | { kind: 'block'; devices: readonly [string, string] };

/** A radio, a co-processor: its own pair of slots, switched with the application's. */
export interface ComponentProfile {
  id: string;
  slots: SlotsProfile;
  /** With `boot.kind` `command`: a file or device whose first bytes are what the target has of it. */
  readBack: string | undefined;
}

export type BootProfile =
  | { kind: 'file'; attempts: number }
  | { kind: 'link'; attempts: number; current: string; targets: readonly [string, string] | undefined }
  | {
      kind: 'uboot';
      style: 'upgrade' | 'order';
      attempts: number;
      /** `fw_env.config`. */
      env: string;
      tool: boolean;
      slots: readonly [string, string];
      running: { file: string; words: readonly [string, string] };
      names: UbootNames;
    }
  | {
      kind: 'command';
      attempts: number;
      commands: InstallCommands;
      fileName: string | undefined;
      seconds: number;
      exitCodes: Record<number, Code>;
    };

export interface LinkProfile {
  url: string;
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
}

export interface Profile {
  /** State, slots in files, the key: nobody else's. */
  folder: string;
  memoryClass: MemoryClass;
  workspaceBytes: number;
  key: string;
  slots: SlotsProfile;
  /** Further components, in the product's order. */
  components: ComponentProfile[];
  boot: BootProfile;
  links: LinkProfile[];
  health: { command: Argv; seconds: number };
  veto: { command: Argv | undefined; windows: Window[] };
  /** Restarts what runs from the slot: the machine or a service. Without one the process ends and is started again. */
  restart: Argv | undefined;
  /** False where the machine's clock cannot be trusted. */
  clock: boolean;
  /** Without a clock, and where nobody answers: install under a head that is not older than the stored one. */
  offline: boolean;
  askSeconds: number;
}

/** What a decoder of each class needs (OPERATIONS, Products). */
const WORKSPACE_BYTES: Record<MemoryClass, number> = { S: 4096, M: 8192, L: 16_384, XL: 65_536, G: 8 * 1024 * 1024 };
const PROFILE_BYTES_MAX = 65_536;
const SLOT_BYTES_MAX = 4 * 1024 ** 3;
const HOUR = 3_600;

/** @throws Refusal NOT_FOUND, BAD_REQUEST with the place of what is wrong */
export function readProfile(path: string): Profile {
  const { file, at } = openProfile(path);
  const folder = at(file.text('folder'));
  const memoryClass = file.oneOf('memoryClass', Object.keys(WORKSPACE_BYTES) as MemoryClass[]);
  const profile: Profile = {
    folder,
    memoryClass,
    workspaceBytes: file.whole('workspaceBytes', 1024, 1024 ** 3, WORKSPACE_BYTES[memoryClass]),
    key: at(file.text('key')),
    slots: slotsOf(file.fields('slots')),
    components: file.has('components') ? file.list('components').map((one) => componentOf(one, at)) : [],
    boot: bootOf(file.fields('boot'), at),
    links: file.list('links').map((link) => linkOf(link, at)),
    health: healthOf(file.fields('health')),
    veto: file.has('veto') ? vetoOf(file.fields('veto')) : { command: undefined, windows: [] },
    restart: file.optionalCommand('restart'),
    clock: file.flag('clock', true),
    offline: file.flag('offline', false),
    askSeconds: file.whole('askSeconds', 1, 24 * HOUR, HOUR),
  };
  file.done();
  checkComponents(profile);
  return profile;
}

/** A file of JSON, and how it names other files: from its own folder. @throws Refusal NOT_FOUND, BAD_REQUEST */
export function openProfile(path: string): { file: Fields; at: At } {
  return { file: new Fields(parse(path), 'profile'), at: (name) => resolve(dirname(path), name) };
}

function parse(path: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new Refusal('NOT_FOUND', `${path} cannot be read`, { cause });
  }
  demand(
    bytes.length <= PROFILE_BYTES_MAX,
    'BAD_REQUEST',
    `${path} has ${bytes.length} bytes, a profile at most ${PROFILE_BYTES_MAX}`,
  );
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new Refusal('BAD_REQUEST', `${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function slotsOf(file: Fields): SlotsProfile {
  const kind = file.oneOf('kind', ['file', 'block']);
  const slots: SlotsProfile =
    kind === 'file'
      ? { kind, bytes: file.whole('bytes', 4096, SLOT_BYTES_MAX) }
      : { kind, devices: file.pair('devices') };
  if (slots.kind === 'file') demand(slots.bytes % 4096 === 0, 'BAD_REQUEST', 'profile.slots.bytes is times 4096');
  file.done();
  return slots;
}

function componentOf(file: Fields, at: At): ComponentProfile {
  const readBack = file.optionalText('readBack');
  const component = {
    id: file.text('id'),
    slots: slotsOf(file.fields('slots')),
    readBack: readBack === undefined ? undefined : at(readBack),
  };
  file.done();
  return component;
}

/** What the boot control could not do for all of them is said before a device is made. */
function checkComponents({ components, slots, boot }: Profile): void {
  if (components.length === 0) return;
  demand(components.length < COMPONENTS_MAX, 'BAD_REQUEST', `profile.components has ${components.length} of them`);
  const ids = [APPLICATION, ...components.map(({ id }) => id)];
  const named = ids.every(isComponentId) && new Set(ids).size === ids.length;
  demand(named, 'BAD_REQUEST', 'profile.components have distinct ids of lower-case letters, digits and hyphens');
  const files = [slots, ...components.map((one) => one.slots)].every(({ kind }) => kind === 'file');
  const linked = boot.kind !== 'link' || boot.targets !== undefined || files;
  demand(
    linked,
    'BAD_REQUEST',
    'profile.boot.targets is missing: one link cannot name the partitions of several components',
  );
  const [read, unread] = [true, false].map((has) => components.find((one) => (one.readBack !== undefined) === has));
  const command = boot.kind === 'command';
  demand(command || !read, 'BAD_REQUEST', `profile.components: readBack of ${read?.id} is for a boot of kind command`);
  const seen = !command || boot.commands.verify || !unread;
  demand(seen, 'BAD_REQUEST', `profile.boot needs verify, or readBack of ${unread?.id}: an exit code proves nothing`);
}

export type At = (name: string) => string;

function bootOf(file: Fields, at: At): BootProfile {
  const kind = file.oneOf('kind', ['file', 'link', 'uboot', 'command']);
  const attempts = file.whole('attempts', 1, 16, 3);
  const boot: BootProfile =
    kind === 'file'
      ? { kind, attempts }
      : kind === 'link'
        ? { kind, attempts, current: at(file.text('current')), targets: targetsOf(file) }
        : kind === 'uboot'
          ? { kind, attempts, ...ubootOf(file, at) }
          : { kind, attempts, ...commandsOf(file, at) };
  file.done();
  return boot;
}

function targetsOf(file: Fields): readonly [string, string] | undefined {
  return file.has('targets') ? file.pair('targets') : undefined;
}

function ubootOf(file: Fields, at: At) {
  const running = file.fields('running');
  const names = file.has('names') ? file.fields('names') : undefined;
  const known: (keyof UbootNames)[] = ['slot', 'available', 'count', 'order', 'leftBefore', 'leftAfter', 'trial'];
  const found = {
    style: file.oneOf('style', ['upgrade', 'order']),
    env: at(file.text('env', '/etc/fw_env.config')),
    tool: file.flag('tool', false),
    slots: file.pair('slots', ['A', 'B']),
    running: { file: at(running.text('file', '/proc/cmdline')), words: running.pair('words') },
    names: Object.fromEntries(known.flatMap((name) => (names?.has(name) ? [[name, names.text(name)]] : []))),
  };
  running.done();
  names?.done();
  return found;
}

function commandsOf(file: Fields, at: At) {
  const codes = file.has('exitCodes') ? file.fields('exitCodes') : undefined;
  const [verify, confirm, readBack] = [
    file.optionalCommand('verify'),
    file.optionalCommand('confirm'),
    file.optionalText('readBack'),
  ];
  demand(verify || readBack, 'BAD_REQUEST', 'profile.boot needs verify or readBack: an exit code proves nothing');
  const fileName = file.optionalText('fileName');
  demand(!fileName?.includes('/'), 'BAD_REQUEST', 'profile.boot.fileName is a name, not a path');
  return {
    commands: {
      install: file.command('install'),
      ...(verify && { verify }),
      ...(confirm && { confirm }),
      ...(readBack && { readBack: at(readBack) }),
    },
    fileName,
    seconds: file.whole('seconds', 1, 24 * HOUR, 600),
    exitCodes: Object.fromEntries((codes?.names() ?? []).map((exit) => [exitOf(exit), codes!.oneOf(exit, CODES)])),
  };
}

function exitOf(text: string): number {
  const good = /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 255;
  demand(good, 'BAD_REQUEST', `profile.boot.exitCodes: ${text} is no exit code from 1 to 255`);
  return Number(text);
}

export function linkOf(file: Fields, at: At): LinkProfile {
  const url = file.text('url');
  if (isLocalAddress(url)) readAddress(url);
  else {
    const known = URL.canParse(url) && /^(mqtts?|https?):$/.test(new URL(url).protocol);
    demand(known, 'BAD_REQUEST', `${url} is no mqtts:// or https:// address, and no tcp:// or unix: of a gateway`);
  }
  const path = (name: string) => (file.has(name) ? at(file.text(name)) : undefined);
  const link = { url, ca: path('ca'), cert: path('cert'), key: path('key') };
  file.done();
  demand((link.cert === undefined) === (link.key === undefined), 'BAD_REQUEST', 'cert and key of a link go together');
  return link;
}

function healthOf(file: Fields): Profile['health'] {
  const health = { command: file.command('command'), seconds: file.whole('seconds', 1, HOUR, 60) };
  file.done();
  return health;
}

function vetoOf(file: Fields): Profile['veto'] {
  const texts = file.has('windows') ? file.texts('windows') : [];
  const windows = texts.map((text) => {
    const window = readWindow(text);
    demand(window, 'BAD_REQUEST', `profile.veto.windows: "${text}" is not like 22:00-05:30`);
    return window;
  });
  const veto = { command: file.optionalCommand('command'), windows };
  file.done();
  return veto;
}
