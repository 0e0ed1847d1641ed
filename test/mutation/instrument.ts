/**
 * Finds the checks in a compiled file and puts a switch before each: where the file says `demand(a, …)` it then says
 * `demand(held(3, a), …)`, and who switches check 3 off has removed it. One build carries every mutant.
 */
import ts from 'typescript';

/** demand: `demand(…)`; throw: a refusal that is thrown or kept; guard: `if (…) return;`, which says nothing. */
export type Kind = 'demand' | 'throw' | 'guard';

export interface Check {
  /** `device-sdk/src/verify/fresh.ts checkFreshness demand fresh`: stays when lines move. */
  name: string;
  kind: Kind;
}

interface Edit {
  at: number;
  text: string;
}

/** @param path of the source, as it stands in the name of a check; @param guards whether silent returns are checks here */
export function instrument(path: string, code: string, guards: boolean): { code: string; checks: Check[] } {
  const file = ts.createSourceFile(path, code, ts.ScriptTarget.ES2023, true, ts.ScriptKind.JS);
  const checks: Check[] = [];
  const edits: Edit[] = [];
  const visit = (node: ts.Node): void => {
    const found = checkOf(node, guards);
    if (found) {
      const { kind, condition } = found;
      const index = checks.push({ name: nameOf(path, kind, condition ?? node, file, checks), kind }) - 1;
      edits.push(...(condition ? around(condition, file, `__${kind}(${index}, `) : before(node, file, index)));
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  if (checks.length === 0) return { code, checks };
  const names = JSON.stringify(checks);
  const head = `const { demand: __demand, guard: __guard, stands: __stands } = globalThis.countersignChecks.of(${names});\n`;
  return { code: head + applied(code, edits), checks };
}

/** A check's condition; undefined where the whole statement is the check. */
function checkOf(node: ts.Node, guards: boolean): { kind: Kind; condition: ts.Expression | undefined } | undefined {
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'demand')
    return { kind: 'demand', condition: node.arguments[0] };
  if (ts.isThrowStatement(node) && isRefusal(node.expression)) return { kind: 'throw', condition: undefined };
  if (ts.isExpressionStatement(node) && ts.isBinaryExpression(node.expression) && isRefusal(node.expression.right))
    return { kind: 'throw', condition: undefined };
  if (guards && ts.isIfStatement(node) && !node.elseStatement && isSilent(node.thenStatement))
    return { kind: 'guard', condition: node.expression };
  return undefined;
}

/** Made here: what was caught and is thrown on is the check of somebody else; a RangeError is a programmer's. */
function isRefusal(expression: ts.Expression | undefined): boolean {
  if (!expression) return false;
  if (ts.isNewExpression(expression)) return expression.expression.getText() === 'Refusal';
  return ts.isCallExpression(expression) && /^(unknownKey|malformed)$/.test(expression.expression.getText());
}

/** `return;`, `return false;`, `return 'idle';`, `continue;` and the same in braces. */
function isSilent(statement: ts.Statement): boolean {
  if (ts.isBlock(statement)) return statement.statements.length === 1 && isSilent(statement.statements[0]!);
  if (ts.isContinueStatement(statement)) return true;
  if (!ts.isReturnStatement(statement)) return false;
  const { expression } = statement;
  if (!expression) return true;
  return ts.isStringLiteral(expression) || /^(undefined|false|null)$/.test(expression.getText());
}

const NAME_CHARS_MAX = 100;

function nameOf(path: string, kind: Kind, node: ts.Node, file: ts.SourceFile, known: readonly Check[]): string {
  const whole = node.getText(file).replace(/\s+/g, ' ');
  const code = kind === 'throw' ? /\bnew Refusal\('(\w+)'/.exec(whole)?.[1] : undefined;
  const text = code ?? whole.slice(0, NAME_CHARS_MAX);
  const name = `${path} ${functionOf(node)} ${kind} ${text}`;
  const twins = known.filter((check) => check.name === name || check.name.startsWith(`${name} (`)).length;
  return twins === 0 ? name : `${name} (${twins + 1})`;
}

/** The nearest function that has a name. */
function functionOf(node: ts.Node): string {
  for (let at: ts.Node | undefined = node; at; at = at.parent) {
    const named = (ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at) || ts.isClassDeclaration(at)) && at.name;
    if (named) return named.getText();
    if (ts.isConstructorDeclaration(at)) return 'constructor';
  }
  return '';
}

function around(condition: ts.Expression, file: ts.SourceFile, open: string): Edit[] {
  return [
    { at: condition.getStart(file), text: open },
    { at: condition.getEnd(), text: ')' },
  ];
}

function before(node: ts.Node, file: ts.SourceFile, index: number): Edit[] {
  return [
    { at: node.getStart(file), text: `{ if (__stands(${index})) ` },
    { at: node.getEnd(), text: ' }' },
  ];
}

/** From the end, so that places before stay where they are. Of two at one place the inner one goes in last. */
function applied(code: string, edits: readonly Edit[]): string {
  const ordered = edits.map((edit, order) => ({ ...edit, order })).sort((a, b) => b.at - a.at || a.order - b.order);
  return ordered.reduce((text, { at, text: piece }) => text.slice(0, at) + piece + text.slice(at), code);
}
