/** Which files' checks are mutated, and in which of them a silent return is a check too. */

/** Reading for people, the encoder, the command line, and what only the operator of a server can ask for. */
const LEFT_OUT = [
  /^device-sdk\/src\/format\/(inspect|suit-commands|suit-labels|shape|utf8|topics)/,
  /^device-sdk\/src\/delta\/(?!header)/,
];

const WHOLE = [
  /^device-sdk\/src\/(crypto|verify|format|update|fetch|install|store|report|delta)\//,
  /^device-sdk\/src\/device\.ts$/,
  /^device-sdk\/host\/(bundle|relay)\//,
  /^broker\/src\/ledger\/(contract|log|peer)\//,
  /^broker\/src\/ledger\/(execution|replay|outside-head|audit)\.ts$/,
  /^broker\/src\/distribution\/(intake|enrolment)\//,
  /^broker\/src\/keys\//,
  /^broker\/src\/distribution\/(confirmed|witness)\.ts$/,
  /^broker\/src\/distribution\/delivery\/(login|gate|rights|counters|broker)\.ts$/,
  /^broker\/src\/passport\//,
  /^broker\/src\/collection\/check-prepared\.ts$/,
  /^broker\/src\/face\/access\//,
  /^broker\/src\/face\/api\/token\.ts$/,
];

/** Where something hostile is passed over in silence; elsewhere a silent return is about order, power or haste. */
const GUARDED = [
  /^device-sdk\/src\/(verify\/|crypto\/guarded|report\/reports|fetch\/(asker|guard|window))/,
  /^broker\/src\/face\/access\/(tokens|door)\.ts$/,
];

/**
 * `device-sdk/src/verify/head.ts` or `device-sdk/host/bundle/check.ts` of a compiled file's address; undefined where it is
 * not in scope.
 */
export function pathOf(url: string): string | undefined {
  const found = /\/(device-sdk|broker)\/dist\/(?:(src|host)\/)?(.+)\.js$/.exec(url);
  if (!found) return undefined;
  const [, workspace, folder = 'src', file] = found;
  const path = `${workspace}/${folder}/${file}.ts`;
  const inside = WHOLE.some((pattern) => pattern.test(path)) && !LEFT_OUT.some((pattern) => pattern.test(path));
  return inside ? path : undefined;
}

export function hasGuards(path: string): boolean {
  return GUARDED.some((pattern) => pattern.test(path));
}
