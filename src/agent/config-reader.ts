/**
 * Reads a TOML text and the environment against the table: every key checked, every problem
 * collected, the source of every value kept. What keys mean together is `config-rules.ts`.
 */
import { parse, TomlDate, TomlError, type TomlValue } from "smol-toml";
import { nearest } from "../base/nearest.ts";
import type { Kind, ReadContext } from "./config-kinds.ts";
import { keyLines } from "./config-lines.ts";
import type { ConfigProblem } from "./config-problem.ts";
import { camelKey, environmentName, LISTS, type Row, SECTIONS } from "./config-table.ts";

/** For the launcher (which Node.js) and `microedge demo` (where the peers are); no settings of the agent. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(["MICROEDGE_NODE", "MICROEDGE_DEMO_GO_PEERS"]);

export type ValueSource = "default" | "file" | "environment";

/** One key with the value in force. */
export interface Setting {
  /** Dotted: `rpc.listen`; in a list `registry.static[0].service`. */
  readonly key: string;
  readonly value: unknown;
  readonly kind: Kind<unknown>;
  readonly source: ValueSource;
  /** The variable, when the source is the environment. */
  readonly variable?: string;
  readonly line?: number;
  readonly live: boolean;
}

export interface Reading {
  readonly settings: ReadonlyMap<string, Setting>;
  /** Top-level tables that stand in the file, also empty ones. */
  readonly tables: ReadonlySet<string>;
  /** Number of items of each list. */
  readonly lengths: ReadonlyMap<string, number>;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

type Table = Readonly<Record<string, TomlValue>>;
type Rows = Readonly<Record<string, Row<unknown>>>;

const SECTION_ROWS: Readonly<Record<string, Rows>> = SECTIONS;
const LIST_ROWS: Readonly<Record<string, Rows>> = LISTS;
/** `registry` in `registry.static`. */
const LIST_PARENTS = new Set(
  Object.keys(LISTS).flatMap((name) => (name.includes(".") ? [name.split(".")[0] ?? ""] : [])),
);

/** Reads `toml`; never throws for anything that stands in it. */
export function readConfig(
  toml: string,
  environment: Readonly<Record<string, string | undefined>>,
  context: ReadContext,
): Reading {
  const reader = new ConfigReader(context);
  reader.readFile(toml);
  reader.readEnvironment(environment);
  reader.fillDefaults();
  return reader;
}

class ConfigReader implements Reading {
  readonly settings = new Map<string, Setting>();
  readonly tables = new Set<string>();
  readonly lengths = new Map<string, number>();
  readonly problems: ConfigProblem[] = [];
  readonly warnings: ConfigProblem[] = [];
  readonly #context: ReadContext;
  #lines: ReadonlyMap<string, number> = new Map();

  constructor(context: ReadContext) {
    this.#context = context;
  }

  readFile(toml: string): void {
    let root: Table;
    try {
      root = parse(toml, { integersAsBigInt: true });
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      // the library's own text goes on with an excerpt of the file, which may hold a password
      const reason = (error.message.split("\n")[0] ?? "").replace(/^Invalid TOML document: /, "");
      this.problems.push({
        key: `column ${error.column}`,
        message: `is not TOML: ${reason}`,
        line: error.line,
      });
      return;
    }
    this.#lines = keyLines(toml);
    for (const [name, value] of Object.entries(root)) this.#readTop(name, value);
  }

  #readTop(name: string, value: TomlValue): void {
    this.tables.add(name);
    const rows = own(SECTION_ROWS, name);
    const list = own(LIST_ROWS, name);
    if (list !== undefined) this.#readList(name, list, value);
    else if (rows === undefined && !LIST_PARENTS.has(name)) this.#unknownTop(name, value);
    else if (!isTable(value)) this.#report(name, `must be a section, [${name}]`);
    else this.#readSection(name, rows ?? {}, value);
  }

  #readSection(section: string, rows: Rows, table: Table): void {
    for (const [key, value] of Object.entries(table)) {
      const list = own(LIST_ROWS, `${section}.${key}`);
      if (list !== undefined) this.#readList(`${section}.${key}`, list, value);
    }
    const known = [...Object.keys(LIST_ROWS)].flatMap((name) =>
      name.startsWith(`${section}.`) ? [name.slice(section.length + 1)] : [],
    );
    this.#readRows(section, rows, table, known);
  }

  #readList(name: string, rows: Rows, value: TomlValue): void {
    const items: TomlValue[] = Array.isArray(value) ? value : [value];
    if (!Array.isArray(value)) {
      this.#report(name, `must be an array of tables: write [[${name}]], with double brackets`);
      return;
    }
    this.lengths.set(name, items.length);
    for (const [index, item] of items.entries()) {
      const at = `${name}[${index}]`;
      if (!isTable(item)) {
        this.#report(at, `must be a table: write [[${name}]] and its keys below`);
        continue;
      }
      this.#readRows(at, rows, item, []);
      for (const [key, row] of Object.entries(rows)) {
        if (!row.required || Object.hasOwn(item, key)) continue;
        this.#report(`${at}.${key}`, `is missing: it must be ${row.kind.allowed}`, at);
      }
    }
  }

  /** Reads each key of one table; `lists` names keys of it that are read elsewhere. */
  #readRows(section: string, rows: Rows, table: Table, lists: readonly string[]): void {
    for (const [typed, value] of Object.entries(table)) {
      if (lists.includes(typed)) continue;
      const at = `${section}.${typed}`;
      const key = Object.keys(rows).find(
        (name) => name === typed || rows[name]?.aliases.includes(typed),
      );
      const row = key === undefined ? undefined : rows[key];
      if (key === undefined || row === undefined) {
        this.#unknownKey(section, typed, [...Object.keys(rows), ...lists]);
      } else if (this.settings.has(`${section}.${key}`)) {
        this.#report(at, `says the same as ${section}.${key}: keep one of them`);
      } else {
        const reading = row.kind.readToml(value, this.#context);
        if ("expected" in reading) this.#report(at, `must be ${reading.expected}`);
        else this.#set(section, key, row, reading.value, { source: "file", line: at });
      }
    }
  }

  /** Overrides sections by `MICROEDGE_<SECTION>_<KEY>`; an unknown `MICROEDGE_` variable is a warning. */
  readEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
    const known = new Map<string, readonly [section: string, key: string, row: Row<unknown>]>();
    for (const [section, rows] of Object.entries(SECTION_ROWS)) {
      for (const [key, row] of Object.entries(rows)) {
        known.set(environmentName(section, key), [section, key, row]);
      }
    }
    for (const [variable, text] of Object.entries(environment)) {
      if (!variable.startsWith("MICROEDGE_") || text === undefined) continue;
      if (NOT_SETTINGS.has(variable)) continue;
      const [section, key, row] = known.get(variable) ?? [];
      if (section === undefined || key === undefined || row === undefined) {
        const meant = nearest(variable, known.keys());
        this.warnings.push({
          key: variable,
          message: `is not a variable of microedge and has no effect${didYouMean(meant)}`,
        });
        continue;
      }
      const reading = row.kind.readText(text, this.#context);
      if ("value" in reading) {
        this.#set(section, key, row, reading.value, { source: "environment", variable });
      } else {
        this.problems.push({
          key: variable,
          message: `must be ${reading.expected} (it overrides ${section}.${key})`,
        });
      }
    }
  }

  fillDefaults(): void {
    const fill = (section: string, rows: Rows): void => {
      for (const [key, row] of Object.entries(rows)) {
        if (this.settings.has(`${section}.${key}`)) continue;
        this.#set(section, key, row, row.fallback, { source: "default" });
      }
    };
    for (const [section, rows] of Object.entries(SECTION_ROWS)) fill(section, rows);
    for (const [name, length] of this.lengths) {
      for (let index = 0; index < length; index += 1) {
        fill(`${name}[${index}]`, LIST_ROWS[name] ?? {});
      }
    }
  }

  #set(
    section: string,
    key: string,
    row: Row<unknown>,
    value: unknown,
    origin: { source: ValueSource; variable?: string; line?: string },
  ): void {
    const line = origin.line === undefined ? undefined : this.#lines.get(origin.line);
    this.settings.set(`${section}.${key}`, {
      key: `${section}.${key}`,
      value,
      kind: row.kind,
      source: origin.source,
      live: row.live,
      ...(origin.variable === undefined ? {} : { variable: origin.variable }),
      ...(line === undefined ? {} : { line }),
    });
  }

  #unknownTop(name: string, value: TomlValue): void {
    const sections = [
      ...new Set([
        ...Object.keys(SECTION_ROWS),
        ...Object.keys(LIST_ROWS).map((list) => list.split(".")[0] ?? list),
      ]),
    ];
    const home = isTable(value) || Array.isArray(value) ? undefined : sectionOf(name);
    if (home !== undefined) this.#report(name, `is not a key here: put it into ${home}`);
    else
      this.#report(
        name,
        `is not a section${didYouMean(nearest(name, sections)) || `: known are ${sections.join(", ")}`}`,
      );
  }

  #unknownKey(section: string, typed: string, known: readonly string[]): void {
    const close = nearest(typed, known);
    const home = close === undefined ? sectionOf(typed) : undefined;
    const advice =
      close !== undefined
        ? didYouMean(close)
        : home !== undefined
          ? `: it belongs in ${home}`
          : `: known are ${known.join(", ")}`;
    this.#report(`${section}.${typed}`, `is not a key${advice}`);
  }

  /** Reports at the line of `key`, or of `beside` when the key itself is not in the file. */
  #report(key: string, message: string, beside = key): void {
    // an item of an inline array has no line of its own: take the line of what holds it
    const line = [beside, beside.replace(/\.[^.]*$/, ""), beside.replace(/\[\d+\].*$/, "")]
      .map((name) => this.#lines.get(name))
      .find((known) => known !== undefined);
    this.problems.push({ key: printable(key), message, ...(line === undefined ? {} : { line }) });
  }
}

/** A key as it may be shown: a quoted TOML key can hold anything. */
function printable(key: string): string {
  return /^[\w.[\]-]{1,100}$/.test(key) ? key : JSON.stringify(key.slice(0, 100));
}

function didYouMean(name: string | undefined): string {
  return name === undefined ? "" : `: did you mean ${name}?`;
}

/** The sections that have a key of this name, in words; `undefined` where they would be no hint. */
function sectionOf(key: string): string | undefined {
  const homes = Object.entries(SECTION_ROWS).flatMap(([section, rows]) =>
    own(rows, key) === undefined ? [] : [section],
  );
  return homes.length === 1 || homes.length === 2
    ? homes.map((home) => `[${home}]`).join(" or ")
    : undefined;
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function isTable(value: TomlValue): value is Record<string, TomlValue> {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof TomlDate);
}

/** The values of one table by the names that the code uses. */
export function valuesOf(reading: Reading, section: string, rows: Rows): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(rows).map((key) => [
      camelKey(key),
      reading.settings.get(`${section}.${key}`)?.value,
    ]),
  );
}
