/**
 * Names of the labels of draft-ietf-suit-manifest-37 and of its extensions (update-management-14,
 * trust-domains-11, firmware-encryption), for people who read envelopes. Two labels of our own end the lists.
 */

/** How the argument of a command is read. */
export type ArgumentKind = 'policy' | 'plain' | 'sequence' | 'sequences' | 'parameters' | 'perComponent';

export interface CommandLabel {
  name: string;
  argument: ArgumentKind;
  /** May stand in a shared sequence: it has no side effect but on parameters. */
  shared?: true;
}

const condition = (name: string, shared?: true): CommandLabel => ({
  name: `condition-${name}`,
  argument: 'policy',
  ...(shared && { shared }),
});
const directive = (name: string, argument: ArgumentKind, shared?: true): CommandLabel => ({
  name: `directive-${name}`,
  argument,
  ...(shared && { shared }),
});

export const COMMANDS: ReadonlyMap<number, CommandLabel> = new Map([
  [1, condition('vendor-identifier', true)],
  [2, condition('class-identifier', true)],
  [3, condition('image-match', true)],
  [4, condition('use-before', true)],
  [5, condition('component-slot', true)],
  [6, condition('check-content', true)],
  [7, condition('dependency-integrity', true)],
  [8, condition('is-dependency', true)],
  [11, directive('process-dependency', 'policy')],
  [12, directive('set-component-index', 'plain', true)],
  [14, condition('abort', true)],
  [15, directive('try-each', 'sequences', true)],
  [18, directive('write', 'policy')],
  [19, directive('set-parameters', 'parameters', true)],
  [20, directive('override-parameters', 'parameters', true)],
  [21, directive('fetch', 'policy')],
  [22, directive('copy', 'policy')],
  [23, directive('invoke', 'policy')],
  [24, condition('device-identifier', true)],
  [25, condition('image-not-match', true)],
  [26, condition('minimum-battery', true)],
  [27, condition('update-authorized', true)],
  [28, condition('version', true)],
  [29, directive('wait', 'policy')],
  [31, directive('swap', 'policy')],
  [32, directive('run-sequence', 'sequence', true)],
  [33, directive('unlink', 'policy')],
  [34, directive('override-multiple', 'perComponent', true)],
  [35, directive('copy-params', 'plain', true)],
  [-257, directive('patch', 'plain')],
]);

export const PARAMETERS: ReadonlyMap<number, string> = new Map([
  [1, 'vendor-id'],
  [2, 'class-id'],
  [3, 'image-digest'],
  [4, 'use-before'],
  [5, 'component-slot'],
  [12, 'strict-order'],
  [13, 'soft-failure'],
  [14, 'image-size'],
  [18, 'content'],
  [19, 'encryption-info'],
  [21, 'uri'],
  [22, 'source-component'],
  [23, 'invoke-args'],
  [24, 'device-id'],
  [25, 'fetch-arguments'],
  [26, 'minimum-battery'],
  [27, 'update-priority'],
  [28, 'version'],
  [29, 'wait-info'],
  [30, 'component-metadata'],
  [-258, 'release'],
]);

/** Manifest members that are command sequences. */
export const SECTIONS: ReadonlyMap<number, string> = new Map([
  [7, 'validate'],
  [8, 'load'],
  [9, 'invoke'],
  [15, 'dependency-resolution'],
  [16, 'payload-fetch'],
  [18, 'candidate-verification'],
  [20, 'install'],
  [24, 'uninstall'],
]);
export const SHARED_SECTION = 'shared-sequence';

/** Manifest members that may be replaced by their SUIT_Digest and travel in the envelope instead. */
export const SEVERABLE: ReadonlySet<number> = new Set([14, 15, 16, 18, 20, 23]);

/** All manifest members: version, sequence, common, reference-uri, component-id, set-version, coswid, text, sections. */
export const MANIFEST_KEYS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 14, 23, ...SECTIONS.keys()]);

const TEXT = ['manifest-description', 'update-description', 'manifest-json-source', 'manifest-yaml-source'];
const COMPONENT_TEXT = [
  'vendor-name',
  'model-name',
  'vendor-domain',
  'model-info',
  'component-description',
  'component-version',
  'version-required',
  'current-version',
];

export function textName(label: number | string, ofComponent: boolean): string {
  const names = ofComponent ? COMPONENT_TEXT : TEXT;
  return typeof label === 'number' ? (names[label - 1] ?? String(label)) : label;
}
