/**
 * The reference of everything that configures microedge, as Markdown: made from the tables, so that
 * it can't be wrong. `docs/configuration.md` is this text.
 */
import { environmentName, LISTS, type Row, SECTIONS } from "./config-table.ts";
import { PATHS, type Place, PORTS, VARIABLES } from "./machine-table.ts";

type Rows = Readonly<Record<string, Row<unknown>>>;

const INTRODUCTION = `# Configuration

<!-- Made by \`npm run docs\` from src/agent/config-table.ts and machine-table.ts; do not edit. -->

One TOML file. An unknown key, a wrong type or a value out of range is an error; all errors are reported
at once, with their lines, and nothing starts (exit code 78). \`microedge config check\` says the same
without starting; \`microedge config show\` prints every value in force and where it comes from;
\`microedge config schema\` prints a JSON Schema for editors.

Order of precedence: environment variable, file, default. Relative paths start from the directory of the
configuration file. On SIGHUP the whole file is read again: if anything in it is wrong, it is refused and
the old one stays in force; keys marked "live" take effect, others wait for a restart and say so.
A key that weakens security begins with \`insecure_\` and warns at every start.

The smallest configuration:

\`\`\`toml
[rpc]
listen = "0.0.0.0:8443"
[tls]
cert = "server.crt"
key = "server.key"
ca = "ca.crt"
\`\`\`
`;

export function configReference(): string {
  const parts = [
    INTRODUCTION,
    placesTable("Paths", "path", PATHS),
    placesTable("Ports", "port", PORTS),
    placesTable("Environment variables", "variable", VARIABLES),
  ];
  for (const [section, rows] of Object.entries<Rows>(SECTIONS)) {
    parts.push(`## [${section}]\n\n${rowsTable(rows, (key) => environmentName(section, key))}`);
  }
  for (const [name, rows] of Object.entries<Rows>(LISTS)) {
    parts.push(`## [[${name}]], any number of times\n\n${rowsTable(rows, undefined)}`);
  }
  return `${parts.join("\n")}`;
}

function placesTable(title: string, column: string, places: readonly Place[]): string {
  const lines = places.map(({ name, doc }) => `| \`${cell(name)}\` | ${cell(doc)} |`);
  return `## ${title}\n\n| ${column} | meaning |\n|---|---|\n${lines.join("\n")}\n`;
}

function rowsTable(rows: Rows, variable: ((key: string) => string) | undefined): string {
  const head =
    variable === undefined
      ? "| key | value | default | on reload | meaning |\n|---|---|---|---|---|"
      : "| key | value | default | on reload | variable | meaning |\n|---|---|---|---|---|---|";
  const lines = Object.entries(rows).map(([key, row]) => {
    const also = row.aliases.map((alias) => ` (or \`${alias}\`)`).join("");
    const columns = [
      `\`${key}\`${also}`,
      row.kind.allowed,
      defaultOf(row),
      row.live ? "live" : "restart",
      ...(variable === undefined ? [] : [`\`${variable(key)}\``]),
      row.doc,
    ];
    return `| ${columns.map(cell).join(" | ")} |`;
  });
  return `${head}\n${lines.join("\n")}\n`;
}

function defaultOf(row: Row<unknown>): string {
  if (row.required) return "must be set";
  if (row.defaultDoc !== undefined) return row.defaultDoc;
  if (row.fallback === undefined) return "none";
  return `\`${JSON.stringify(row.kind.show(row.fallback))}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
