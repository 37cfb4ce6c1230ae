// Writes core/http/page/generated.ts from page.html: core reads no files, so the page travels as a
// string, with the digests that its Content-Security-Policy allows. Run after every change of the page.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const source = new URL("../core/http/page/page.html", import.meta.url);
const target = new URL("../core/http/page/generated.ts", import.meta.url);

/** The text of generated.ts for a page. */
export function embedPage(html) {
  const script = digests(html, "script");
  const style = digests(html, "style");
  const policy = (...more) =>
    [
      "default-src 'none'",
      `script-src ${[script, ...more].join(" ")}`,
      ...(more.length === 0 ? [] : ["worker-src 'self'"]),
      `style-src ${style}`,
      "img-src data:",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join("; ");
  return [
    "// Written by scripts/embed-page.mjs from page.html; change that and run it again.",
    "",
    "/** The chat page. */",
    `export const PAGE_HTML: string = ${toLiteral(html)};`,
    "",
    "/** Its Content-Security-Policy: its own script and style and nothing else. */",
    `export const PAGE_CSP: string = ${toLiteral(policy())};`,
    "",
    "/** The same where the page may load modules from its own server, to answer by itself. */",
    `export const BROWSER_CSP: string = ${toLiteral(policy("'self'"))};`,
    "",
  ].join("\n");
}

// A template literal: formatters leave it alone, and its diffs can be read.
function toLiteral(text) {
  return `\`${text.replaceAll(/[\\`]|\$(?=\{)/g, "\\$&")}\``;
}

function digests(html, tag) {
  const blocks = [
    ...html.matchAll(new RegExp(`<${tag}(?: type="importmap")?>([^]*?)</${tag}>`, "g")),
  ];
  if (blocks.length === 0) throw new Error(`Cannot embed the page: it has no <${tag}>`);
  return blocks
    .map(([, text]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
    .join(" ");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(target, embedPage(readFileSync(source, "utf8")));
}
