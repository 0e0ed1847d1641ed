/** One manifest with every byte explained: the listing in docs/FORMAT.md. */
import { encodeManifest, type Manifest } from '@countersign/device-sdk/format';
import { manifestOf } from '../support/world.ts';
import { annotate } from './annotate.ts';

/** One manifest with two bases, small numbers, and every byte explained. */
export function listedManifest(): Uint8Array {
  return encodeManifest(listed());
}

export function manifestListing(): string {
  return annotate(listedManifest(), manifestNotes(listed()));
}

export function listed(): Manifest {
  return manifestOf(2);
}

function manifestNotes(m: Manifest): string[] {
  const branches = m.branches.flatMap((branch, i) => branchNotes(branch, i, m.branches.length));
  return [
    ...['manifest: 6 members', '1 version', '= 1', '2 sequence', `= ${m.sequence}`],
    ...['3 common', 'byte string ↓', '2 members', '2 components', ...componentNotes()],
    ...['4 shared sequence', 'byte string ↓', '8 elements', '12 set-component-index', '0, the target slot'],
    ...[
      '20 override-parameters',
      '5 parameters',
      '1 vendor-id',
      'UUID of the vendor',
      '2 class-id',
      'UUID of the class',
    ],
    ...['3 image-digest', ...digestNotes('of the result')],
    ...[
      '14 image-size',
      `${m.image.bytes} bytes`,
      '-258 release',
      'byte string ↓',
      '2 elements',
      `version label "${m.version}"`,
    ],
    ...[`policy ${m.policy}: mandatory 1 + log 2 + reboot 4`],
    ...['1 condition vendor-identifier', 'report policy 15', '2 condition class-identifier', 'report policy 15'],
    ...['7 validate', 'byte string ↓', ...checkNotes(4)],
    ...['9 invoke', 'byte string ↓', '4 elements', '12 set-component-index', '0', '23 invoke', 'report policy 2'],
    ...[
      '20 install',
      'byte string ↓',
      '6 elements',
      '15 try-each',
      `${m.branches.length} branches`,
      ...branches,
      ...checkNotes(),
    ],
  ];
}

function componentNotes(): string[] {
  const target = ['component 0: 2 elements', '"app"', '01: the target slot'];
  const running = ['component 1: 2 elements', '"app"', '00: the running image'];
  return ['3 elements', ...target, ...running, 'component 2: 1 element', '"patch": the stream'];
}

function digestNotes(what: string): string[] {
  return ['SUIT_Digest ↓', '2 elements', '-16 SHA-256', `SHA-256 ${what}`];
}

function checkNotes(elements?: number): string[] {
  const head = elements === undefined ? [] : [`${elements} elements`];
  return [...head, '12 set-component-index', '0, the target slot', '3 condition image-match', 'report policy 15'];
}

function branchNotes(branch: Manifest['branches'][number], i: number, count: number): string[] {
  const { base, payload } = branch;
  const name = base ? `branch ${i + 1}: a delta ↓` : `branch ${count}: the full image ↓`;
  const check = base
    ? [
        ...[
          '12 set-component-index',
          '1, the running image',
          '20 override-parameters',
          '2 parameters',
          '3 image-digest',
        ],
        ...digestNotes('of the base'),
        ...['14 image-size', `${base.bytes} bytes`, '3 condition image-match', 'report policy 15'],
      ]
    : [];
  return [
    ...[name, `${base ? 16 : 10} elements`, ...check, '12 set-component-index', '2, the stream'],
    ...['20 override-parameters', '2 parameters', '14 image-size', `${payload.bytes} bytes of container`],
    ...[
      '25 fetch-arguments',
      'byte string ↓',
      '3 elements',
      'chain head: SHA-256 of frame 0',
      `frame size ${payload.frameBytes}`,
    ],
    ...[`${payload.frameCount} frames`, '21 fetch', 'report policy 2', '12 set-component-index', '0, the target slot'],
    ...['-257 patch', '3 elements', 'memory class 2: L', `workspace ${branch.workspaceBytes} bytes`],
    base ? 'base: component 1' : 'no base',
  ];
}
