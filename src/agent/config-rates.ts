/**
 * Kinds of values of `[limits]`: a rate with its burst, and lists of them by endpoint. In an environment
 * variable they are spelled as in TOML.
 */
import { parse, TomlError, type TomlValue } from "smol-toml";
import { nearest } from "../base/nearest.ts";
import type { EndpointRate } from "../guard/endpoint-limits.ts";
import {
  MAX_BURST,
  MAX_FILL_MS,
  MAX_RATE,
  MAX_WAIT_MS,
  MIN_RATE,
  type Rate,
} from "../guard/gcra.ts";
import { type Kind, type Reading, tomlTypeName } from "./config-kinds.ts";

export type RateOf = "connections" | "calls";

const MAX_ENDPOINT_RATES = 256;
/** `service/Handler.Method`. */
const ENDPOINT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\/[A-Za-z0-9_]{1,128}\.[A-Za-z0-9_.]{1,128}$/;

const RATE_WORDS = `rate from ${MIN_RATE} to ${MAX_RATE} a second, burst a whole number from 1 to ${MAX_BURST}`;
const WAIT_WORDS = `wait_ms a whole number from 0 to ${MAX_WAIT_MS}`;

const RATE_SCHEMA = { type: "number", minimum: MIN_RATE, maximum: MAX_RATE };
const BURST_SCHEMA = { type: "integer", minimum: 1, maximum: MAX_BURST };
const WAIT_SCHEMA = { type: "integer", minimum: 0, maximum: MAX_WAIT_MS };

/** A value, or what is wrong with it. */
type Checked<T> = { readonly value: T } | { readonly fault: string };

/** A rate, or `undefined` for "off". Calls may wait for their turn, connections can't. */
export function rateLimit(of: RateOf): Kind<Rate | undefined> {
  const waits = of === "calls";
  const allowed = waits
    ? `{ rate, burst, wait_ms } or "off": ${RATE_WORDS}, ${WAIT_WORDS} (may be left out: 0)`
    : `{ rate, burst } or "off": ${RATE_WORDS}`;
  const members = waits ? ["rate", "burst", "wait_ms"] : ["rate", "burst"];
  const readToml = (value: TomlValue): Reading<Rate | undefined> => {
    if (value === "off") return { value: undefined };
    return reading(allowed, checkRate(value, members));
  };
  return {
    allowed,
    schema: {
      anyOf: [
        { const: "off" },
        {
          type: "object",
          additionalProperties: false,
          required: ["rate", "burst"],
          properties: {
            rate: RATE_SCHEMA,
            burst: BURST_SCHEMA,
            ...(waits ? { wait_ms: WAIT_SCHEMA } : {}),
          },
        },
      ],
    },
    readToml,
    readText: (text) => readAsToml(text, allowed, readToml),
    show: (value) => (value === undefined ? "off" : `{ ${formatRate(value)} }`),
    schemaValue: (value) =>
      value === undefined ? "off" : { rate: value.rate, burst: value.burst },
  };
}

/** Rates of single endpoints; each endpoint once. */
export function endpointRates(): Kind<readonly EndpointRate[]> {
  const allowed = `an array of { endpoint, rate, burst, wait_ms }: endpoint "service/Handler.Method", ${RATE_WORDS}, ${WAIT_WORDS} (may be left out: 0)`;
  const readToml = (value: TomlValue): Reading<readonly EndpointRate[]> =>
    reading(allowed, checkEndpointRates(value));
  return {
    allowed,
    schema: {
      type: "array",
      maxItems: MAX_ENDPOINT_RATES,
      items: {
        type: "object",
        additionalProperties: false,
        required: ["endpoint", "rate", "burst"],
        properties: {
          endpoint: { type: "string", pattern: ENDPOINT.source },
          rate: RATE_SCHEMA,
          burst: BURST_SCHEMA,
          wait_ms: WAIT_SCHEMA,
        },
      },
    },
    readToml,
    readText: (text) => readAsToml(text, allowed, readToml),
    show: (rates) => rates.map((rate) => `${rate.endpoint}: ${formatRate(rate)}`),
  };
}

function reading<T>(allowed: string, checked: Checked<T>): Reading<T> {
  return "fault" in checked ? { expected: `${allowed}; ${checked.fault}` } : checked;
}

function readAsToml<T>(
  text: string,
  allowed: string,
  readToml: (value: TomlValue) => Reading<T>,
): Reading<T> {
  if (text === "off") return readToml(text);
  try {
    return readToml(parse(`value = ${text}`, { integersAsBigInt: true })["value"] ?? "");
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return { expected: allowed };
  }
}

function formatRate({ rate, burst, waitMs }: Rate): string {
  return `rate = ${rate}, burst = ${burst}${waitMs === 0 ? "" : `, wait_ms = ${waitMs}`}`;
}

function checkEndpointRates(value: TomlValue): Checked<readonly EndpointRate[]> {
  if (!Array.isArray(value)) return { fault: `it is ${tomlTypeName(value)}` };
  if (value.length > MAX_ENDPOINT_RATES) {
    return { fault: `it has ${value.length} items, and ${MAX_ENDPOINT_RATES} is the most` };
  }
  const rates: EndpointRate[] = [];
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const where = `item ${index + 1}`;
    const checked = checkRate(item, ["endpoint", "rate", "burst", "wait_ms"]);
    if ("fault" in checked) return { fault: `${where}: ${checked.fault}` };
    const endpoint = (item as Readonly<Record<string, TomlValue>>)["endpoint"];
    if (typeof endpoint !== "string") return { fault: `${where}: endpoint is missing` };
    if (!ENDPOINT.test(endpoint)) {
      return { fault: `${where}: endpoint is not of the form "service/Handler.Method"` };
    }
    if (seen.has(endpoint)) return { fault: `${where}: ${endpoint} stands there twice` };
    seen.add(endpoint);
    rates.push({ endpoint, ...checked.value });
  }
  return { value: rates };
}

function checkRate(value: TomlValue, members: readonly string[]): Checked<Rate> {
  if (typeof value !== "object" || Array.isArray(value) || value instanceof Date) {
    return { fault: `it is ${tomlTypeName(value)}` };
  }
  const table = value as Readonly<Record<string, TomlValue>>;
  const unknown = Object.keys(table).find((name) => !members.includes(name));
  if (unknown !== undefined) {
    const meant = nearest(unknown, members);
    const advice = meant === undefined ? "" : `: did you mean ${meant}?`;
    return { fault: `${JSON.stringify(unknown.slice(0, 40))} is not a member${advice}` };
  }
  const rate = numberIn(table, "rate", MIN_RATE, MAX_RATE);
  const burst = numberIn(table, "burst", 1, MAX_BURST, "whole");
  const waitMs = numberIn({ wait_ms: 0n, ...table }, "wait_ms", 0, MAX_WAIT_MS, "whole");
  for (const checked of [rate, burst, waitMs])
    if (typeof checked === "string") return { fault: checked };
  const limit = { rate: Number(rate), burst: Number(burst), waitMs: Number(waitMs) };
  if ((limit.burst / limit.rate) * 1000 > MAX_FILL_MS) {
    return { fault: "at this rate the burst takes more than a day to fill again" };
  }
  return { value: limit };
}

/** The number, or what is wrong with it. */
function numberIn(
  table: Readonly<Record<string, TomlValue>>,
  name: string,
  min: number,
  max: number,
  whole?: "whole",
): number | string {
  const value = table[name];
  if (value === undefined) return `${name} is missing`;
  if (typeof value !== "bigint" && (whole !== undefined || typeof value !== "number")) {
    return `${name} is ${tomlTypeName(value)}`;
  }
  const number = Number(value);
  if (number < 0) return `${name} is negative`;
  if (number === 0 && min > 0)
    return `${name} is zero; leave the limit out, or write "off", for none`;
  // a NaN is neither above nor below
  if (!(number >= min)) return `${name} is below ${min}`;
  return number <= max ? number : `${name} is above ${max}`;
}
