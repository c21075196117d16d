/**
 * Writes the documents that are made from tables in the code. `--check` writes nothing and fails when
 * a document is not what the code says.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { configReference } from "#src/agent/config-reference.ts";
import { ERRORS } from "#src/base/errors.ts";
import { EVENTS } from "#src/base/log.ts";
import { COMMANDS } from "#src/cli/command-table.ts";
import { formatCliPage } from "#src/cli/help.ts";

const ROOT = dirname(import.meta.dirname);

function made(from: string): string {
  return `<!-- Made by \`npm run docs\` from ${from}; do not edit. -->`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, row]) =>
      `| \`${code}\` | ${row.status} | ${row.retry ? "yes" : "no"} | ${cell(row.hint)} |`,
  );
  return `# Errors

${made("src/base/errors.ts")}

Every error has a code. Match on the code, never on the text. \`status\` is what an RPC peer sees as go-micro's
error \`code\`, inside an HTTP 200. \`retry\` says whether the same call may succeed later with nothing changed.

| code | status | retry | what to do |
|---|---|---|---|
${rows.join("\n")}
`;
}

export function eventsPage(): string {
  const rows = Object.entries(EVENTS).map(
    ([event, row]) => `| \`${event}\` | ${row.level} | ${cell(row.msg)} |`,
  );
  return `# Log events

${made("src/base/log.ts")}

One line per event on standard output: JSON with \`time\`, \`level\`, \`event\`, \`msg\` and the event's own fields,
or readable text on a terminal (\`log.format\`). \`event\` and \`msg\` are constants; everything variable is a field.
Levels: error = someone must act; warn = degraded and self-healing; info = a state changed; debug = per call.
After 50 lines, one kind of event is written once in 10 seconds at most; \`log.suppressed\` says how many were left
out. Keys, tokens, PEM and bodies are never written.

| event | level | message |
|---|---|---|
${rows.join("\n")}
`;
}

const PAGES: Readonly<Record<string, () => string>> = {
  "docs/cli.md": () => formatCliPage(COMMANDS),
  "docs/configuration.md": configReference,
  "docs/errors.md": errorsPage,
  "docs/events.md": eventsPage,
};

function read(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Names the pages below `root` that differ from the code; writes them unless `check`. */
export function makePages(root: string, check: boolean): readonly string[] {
  const stale = Object.entries(PAGES).filter(([page, text]) => read(join(root, page)) !== text());
  if (!check) {
    for (const [page, text] of stale) {
      mkdirSync(dirname(join(root, page)), { recursive: true });
      writeFileSync(join(root, page), text());
    }
  }
  return stale.map(([page]) => page);
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  const stale = makePages(ROOT, check);
  for (const page of stale) {
    console.log(check ? `${page} is not what the code says: npm run docs` : `${page} written`);
  }
  if (stale.length === 0) console.log(`${Object.keys(PAGES).length} pages are up to date`);
  if (check && stale.length > 0) process.exitCode = 1;
}
