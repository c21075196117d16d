/**
 * A table of expectations about access, in TOML or JSON: who should be allowed what.
 */
import { parse, TomlError } from "smol-toml";
import { ConfigError, type ConfigProblem } from "../../agent/config-problem.ts";
import { errorText } from "../../base/errors.ts";
import { ENDPOINT_KINDS, type EndpointKind } from "../../guard/endpoint-kind.ts";

export interface Expectation {
  readonly peer: string;
  readonly endpoint: string;
  readonly expect: "allow" | "deny";
  readonly kind: EndpointKind | undefined;
  readonly trustDomain: string | undefined;
}

const KEYS = ["peer", "endpoint", "expect", "kind", "trust_domain"];

/**
 * Reads `[[test]]` tables, or JSON: an array, or an object with the array `test`.
 *
 * @throws ConfigError with every problem; an empty table is one, since it could not fail.
 */
export function parseExpectations(text: string, file: string): readonly Expectation[] {
  const problems: ConfigProblem[] = [];
  const root = file.endsWith(".json") ? readJson(text, file) : readToml(text, file);
  const items = Array.isArray(root) ? root : isTable(root) ? root["test"] : undefined;
  if (!Array.isArray(items) || items.length === 0) {
    const message = "is missing or empty: write [[test]] with peer, endpoint and expect";
    throw new ConfigError(file, [{ key: "test", message }]);
  }
  if (isTable(root)) {
    for (const key of Object.keys(root)) {
      if (key !== "test") problems.push({ key, message: "is not a key: known is test" });
    }
  }
  const read = items.map((item: unknown, at) => readItem(item, `test[${at}]`, problems));
  if (problems.length > 0) throw new ConfigError(file, problems);
  return read;
}

function readItem(item: unknown, at: string, problems: ConfigProblem[]): Expectation {
  const table = isTable(item) ? item : {};
  const report = (key: string, message: string): void => {
    problems.push({ key: `${at}.${key}`, message });
  };
  for (const key of Object.keys(table)) {
    if (!KEYS.includes(key)) report(key, `is not a key: known are ${KEYS.join(", ")}`);
  }
  const word = (key: string): string => {
    const value = table[key];
    if (typeof value === "string" && value !== "") return value;
    report(key, "must be a text");
    return "";
  };
  const { expect, kind, trust_domain: trustDomain } = table;
  if (expect !== "allow" && expect !== "deny") report("expect", 'must be "allow" or "deny"');
  const known = ENDPOINT_KINDS.find((each) => each === kind);
  if (kind !== undefined && known === undefined)
    report("kind", 'must be "read", "write" or "admin"');
  if (trustDomain !== undefined && typeof trustDomain !== "string") {
    report("trust_domain", "must be a text");
  }
  return {
    peer: word("peer"),
    endpoint: word("endpoint"),
    expect: expect === "allow" ? "allow" : "deny",
    kind: known,
    trustDomain: typeof trustDomain === "string" ? trustDomain : undefined,
  };
}

function readJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new ConfigError(file, [
      { key: "the file", message: `is not JSON: ${errorText(thrown)}` },
    ]);
  }
}

function readToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    const [reason = ""] = thrown.message.split("\n");
    throw new ConfigError(file, [
      { key: "the file", message: `is not TOML: ${reason}`, line: thrown.line },
    ]);
  }
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
