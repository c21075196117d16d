/**
 * Kinds of configuration values: how each is read from TOML or from an environment variable, how its
 * allowed range is put in words, and what an editor is told about it (JSON Schema).
 *
 * A reading never throws: a bad value is an answer that says what would have been right, without
 * repeating the value (it may hold a password).
 */
import { resolve } from "node:path";
import { TomlDate, type TomlValue } from "smol-toml";
import { isAgentError } from "../base/errors.ts";
import { formatAddress, type NodeAddress, parseAddress } from "../registry/address.ts";

export type Reading<T> = { readonly value: T } | { readonly expected: string };

export interface ReadContext {
  /** Directory that relative paths start from, absolute. */
  readonly directory: string;
}

export interface Kind<T> {
  /** What is allowed, as the end of "must be ...", with the range and the unit. */
  readonly allowed: string;
  /** JSON Schema of the value (draft 2020-12). */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly unit?: string;
  /** From TOML; whole numbers are bigint, others number. */
  readToml(value: TomlValue, context: ReadContext): Reading<T>;
  /** From the text of an environment variable. */
  readText(text: string, context: ReadContext): Reading<T>;
  /** For people and JSON; secrets are left out. */
  show(value: T): string | number | boolean | readonly string[];
  /** The value as JSON Schema writes it, where that is not what people are shown. */
  schemaValue?(value: T): unknown;
}

/** An address to listen on (port 0 takes a free one) or to call. */
export type HostPort = NodeAddress;

/** Reads `host:port`; an IPv6 host stands in brackets (RFC 3986 section 3.2.2). */
export function parseHostPort(text: string, minPort: 0 | 1): HostPort | undefined {
  // port 0 is no port of a node, but asks the kernel for a free one to listen on
  const free = minPort === 0 && /:0{1,5}$/.test(text);
  try {
    const address = parseAddress(free ? text.replace(/0+$/, "1") : text);
    return free ? { host: address.host, port: 0 } : address;
  } catch (error) {
    if (isAgentError(error, "ERR_REGISTRY_ADDRESS")) return undefined;
    throw error;
  }
}

/** What a TOML value is, in words: the reader sees which type stands in the file. */
export function tomlTypeName(value: TomlValue): string {
  if (typeof value === "string") return "a string";
  if (typeof value === "bigint") return "a whole number";
  if (typeof value === "number") return "a decimal number";
  if (typeof value === "boolean") return "a boolean";
  if (value instanceof TomlDate) return "a date";
  if (Array.isArray(value)) return "an array";
  return "a table";
}

/** A kind whose values are text in both places. */
function textual<T>(
  allowed: string,
  schema: Readonly<Record<string, unknown>>,
  parse: (text: string, context: ReadContext) => T | undefined,
  show: Kind<T>["show"],
): Kind<T> {
  const readText = (text: string, context: ReadContext): Reading<T> => {
    const value = text.includes("\0") ? undefined : parse(text, context);
    return value === undefined ? { expected: allowed } : { value };
  };
  return {
    allowed,
    schema: { type: "string", ...schema },
    readText,
    readToml: (value, context) =>
      typeof value === "string"
        ? readText(value, context)
        : { expected: `${allowed}, not ${tomlTypeName(value)}` },
    show,
  };
}

export interface TextOptions {
  readonly allowed: string;
  readonly pattern: RegExp;
}

export function text(options: TextOptions): Kind<string> {
  return textual(
    options.allowed,
    { pattern: options.pattern.source },
    (value) => (options.pattern.test(value) ? value : undefined),
    (value) => value,
  );
}

export function choice<const T extends string>(values: readonly T[]): Kind<T> {
  return textual(
    `one of ${values.map((value) => `"${value}"`).join(", ")}`,
    { enum: values },
    (value) => values.find((known) => known === value),
    (value) => value,
  );
}

/** A file; relative paths start from the directory of the configuration file. */
export function path(): Kind<string> {
  return textual(
    "a path",
    { minLength: 1 },
    (value, { directory }) => (value === "" ? undefined : resolve(directory, value)),
    (value) => value,
  );
}

export function hostPort(minPort: 0 | 1): Kind<HostPort> {
  return textual(
    `"host:port" with a port from ${minPort} to 65535; an IPv6 host in brackets, "[::1]:8443"`,
    { pattern: "^.+:[0-9]{1,5}$" },
    (value) => parseHostPort(value, minPort),
    formatAddress,
  );
}

export function integer(min: number, max: number, unit?: string): Kind<number> {
  const allowed = `a whole number from ${min} to ${max}${unit === undefined ? "" : ` (${unit})`}`;
  const inRange = (value: bigint): Reading<number> =>
    value >= BigInt(min) && value <= BigInt(max) ? { value: Number(value) } : { expected: allowed };
  return {
    allowed,
    schema: { type: "integer", minimum: min, maximum: max },
    ...(unit === undefined ? {} : { unit }),
    readToml: (value) =>
      typeof value === "bigint"
        ? inRange(value)
        : { expected: `${allowed}, not ${tomlTypeName(value)}` },
    readText: (value) =>
      /^[+-]?\d{1,19}$/.test(value)
        ? inRange(BigInt(value.replace("+", "")))
        : { expected: allowed },
    show: (value) => value,
  };
}

export function flag(): Kind<boolean> {
  const allowed = "true or false";
  return {
    allowed,
    schema: { type: "boolean" },
    readToml: (value) =>
      typeof value === "boolean"
        ? { value }
        : { expected: `${allowed} without quotes, not ${tomlTypeName(value)}` },
    readText: (value) =>
      value === "true" || value === "false" ? { value: value === "true" } : { expected: allowed },
    show: (value) => value,
  };
}

const DAY_MS = 86_400_000;

/**
 * A moment, Unix milliseconds. A date without a time means the end of that day, UTC, because "until
 * 2026-06-30" includes the 30th. A time needs its zone.
 */
export function moment(): Kind<number> {
  const allowed =
    "a date (2026-06-30, until the end of that day in UTC) or a date and time with its zone (2026-06-30T12:00:00Z)";
  const parse = (value: string): number | undefined => {
    const day = /^\d{4}-\d{2}-\d{2}$/.test(value);
    if (
      !day &&
      !/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})$/i.test(value)
    ) {
      return undefined;
    }
    const at = Date.parse(value.replace(" ", "T"));
    // Date.parse lets 30 February through as 2 March
    if (Number.isNaN(at) || (day && new Date(at).getUTCDate() !== Number(value.slice(8)))) {
      return undefined;
    }
    return day ? at + DAY_MS - 1 : at;
  };
  const base = textual(allowed, { pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}" }, parse, (value) =>
    new Date(value).toISOString(),
  );
  return {
    ...base,
    readToml(value, context) {
      if (!(value instanceof TomlDate)) return base.readToml(value, context);
      if (value.isDate()) return { value: value.getTime() + DAY_MS - 1 };
      return value.isDateTime() && !value.isLocal()
        ? { value: value.getTime() }
        : { expected: allowed };
    },
  };
}

/** A forward proxy: `http://[user:password@]host:port`, or empty for none. Credentials are never shown. */
export function proxyUrl(): Kind<URL | undefined> {
  const allowed = `"http://host:port", with user:password@ before the host where needed, or "" for none`;
  return {
    allowed,
    schema: { type: "string" },
    readText: (value) => readProxy(value, allowed),
    readToml: (value) =>
      typeof value === "string"
        ? readProxy(value, allowed)
        : { expected: `${allowed}, not ${tomlTypeName(value)}` },
    show: (value) => {
      if (value === undefined) return "";
      const secret = value.username === "" && value.password === "" ? "" : "***@";
      return `${value.protocol}//${secret}${value.host}`;
    },
  };
}

function readProxy(text: string, allowed: string): Reading<URL | undefined> {
  if (text === "") return { value: undefined };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const usable =
    url?.protocol === "http:" && url.hostname !== "" && url.pathname === "/" && url.search === "";
  return usable && isDecodable(url.username + url.password)
    ? { value: url }
    : { expected: allowed };
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false; // a "%" that starts no escape
  }
}

/** A non-empty array of one kind; in an environment variable separated by commas. */
export function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  const allowed = `an array with at least one item; each item must be ${item.allowed}`;
  const all = (readings: readonly Reading<T>[]): Reading<readonly T[]> => {
    const values = readings.flatMap((reading) => ("value" in reading ? [reading.value] : []));
    if (values.length > 0 && values.length === readings.length) return { value: values };
    const at = readings.findIndex((reading) => !("value" in reading));
    return { expected: at < 1 && readings.length < 2 ? allowed : `${allowed}; [${at}] is not` };
  };
  return {
    allowed,
    schema: { type: "array", minItems: 1, items: item.schema },
    readToml: (value, context) =>
      Array.isArray(value)
        ? all(value.map((each) => item.readToml(each, context)))
        : { expected: `${allowed}, not ${tomlTypeName(value)}` },
    readText: (value, context) =>
      all(value.split(",").map((each) => item.readText(each.trim(), context))),
    show: (values) => values.map((each) => String(item.show(each))),
  };
}
