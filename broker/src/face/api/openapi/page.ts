/** The document as one page of HTML: no script, no font, no picture, nothing from elsewhere. */
import { EXPLAINED } from '../../cli/explained.ts';
import type { Described, OpenApi } from './document.ts';
import type { Schema } from './schema.ts';

const STYLE = `
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:#f6f8fa;padding:.7rem;overflow:auto}details{border:1px solid #d0d7de;border-radius:6px;margin:.5rem 0}
summary{padding:.45rem .7rem;cursor:pointer}details>div{padding:0 .9rem .7rem}b.m{display:inline-block;width:3.6rem}
b.get{color:#0a6b2d}b.post{color:#8a4600}table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}
small{color:#57606a}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}b.get{color:#56d364}b.post{color:#e3b341}small{color:#9198a1}}`;

export function documentPage(document: OpenApi): string {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => ({ path, method, described })),
  );
  const parts = tags.map(({ name, description }) => {
    const own = operations.filter(({ described }) => described.tags[0] === name);
    return `<h2>${escaped(name)}</h2><p>${escaped(description)}</p>${own.map(operationHtml).join('')}`;
  });
  const shapes = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="${escaped(name)}"><summary><code>${escaped(name)}</code></summary><div>${schemaHtml(schema)}</div></details>`,
  );
  const more = '<p><a href="/openapi.json">openapi.json</a> · <a href="/docs/refusals">refusal codes</a></p>';
  const about = `<h1>${escaped(String(info.title))}</h1><p>${escaped(String(info.description))}</p>${more}`;
  return pageOf(String(info.title), `${about}${parts.join('')}<h2>Shapes</h2>${shapes.join('')}`);
}

/** One place per code: where a refusal's `type` points. */
export function refusalsPage(): string {
  const rows = Object.entries(EXPLAINED).map(
    ([code, [what, toDo]]) =>
      `<tr id="${code}"><th><code>${code}</code></th><td>${escaped(what)}</td><td>${escaped(toDo)}</td></tr>`,
  );
  const head = '<tr><th>code</th><th>what happened</th><th>what to do</th></tr>';
  return pageOf('Refusals', `<h1>Refusals</h1><table>${head}${rows.join('')}</table>`);
}

function operationHtml({ path, method, described }: { path: string; method: string; described: Described }): string {
  const { summary, description, parameters = [], requestBody, responses, operationId, security } = described;
  const open = security?.length === 0 ? ' <small>for everybody</small>' : '';
  const rows = parameters.map(
    ({ name, in: where, required, schema }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${where}${required ? ', needed' : ''}</td><td>${escaped(inWords(schema))}</td></tr>`,
  );
  const answers = Object.entries(responses)
    .filter(([status]) => status !== 'default')
    .map(([status, answer]) => `<h4>answers ${status}</h4>${contentHtml(answer)}`);
  return [
    `<details id="${operationId}"><summary><b class="m ${method}">${method.toUpperCase()}</b> <code>${escaped(path)}</code> ${escaped(summary)}${open}</summary><div>`,
    description === undefined ? '' : `<p>${escaped(description)}</p>`,
    rows.length > 0 ? `<table>${rows.join('')}</table>` : '',
    requestBody ? `<h4>body</h4>${contentHtml(requestBody)}` : '',
    ...answers,
    `<pre>${escaped(curl(method, path, described))}</pre></div></details>`,
  ].join('');
}

function contentHtml({ content }: { content?: unknown }): string {
  const types = Object.entries((content ?? {}) as Record<string, { schema: Schema }>);
  if (types.length === 0) return '<p>nothing</p>';
  return types.map(([type, { schema }]) => `<p><small>${escaped(type)}</small></p>${schemaHtml(schema)}`).join('');
}

function schemaHtml(schema: Schema): string {
  if (schema.format === 'binary') return '';
  const text = escaped(JSON.stringify(schema, null, 2));
  const linked = text.replace(/#\/components\/schemas\/(\w+)/g, (_, name) => `<a href="#${name}">${name}</a>`);
  return `<pre>${linked}</pre>`;
}

function curl(method: string, path: string, { requestBody, security }: Described): string {
  const type = Object.keys(requestBody?.content ?? {})[0];
  const body = type === undefined ? '' : ` -H 'content-type: ${type}' --data-binary @FILE`;
  const token = security?.length === 0 ? '' : ` -H "authorization: Bearer $TOKEN"`;
  return `curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`}${token}${body} "$URL${path}"`;
}

function inWords(schema: Schema): string {
  const { description, type, pattern, minimum, maximum } = schema as Record<string, unknown>;
  const limits = [minimum !== undefined && `from ${minimum}`, maximum !== undefined && `to ${maximum}`].filter(Boolean);
  return [description, type, pattern, limits.join(' ')].filter(Boolean).join(' · ');
}

function pageOf(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${STYLE}</style></head><body>${body}</body></html>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
