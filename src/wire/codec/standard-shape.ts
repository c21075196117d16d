/**
 * Shape of a JSON body that a Standard Schema (https://standardschema.dev, version 1) describes:
 * valibot, zod, arktype and others. JSON, in both dialects alike: what the schema's author
 * named is what is on the wire. Codecs of handler modules carry it, too.
 *
 * Integers beyond 2^53 reach the schema as `bigint`, exactly, and a `bigint` is written as a number;
 * bytes are written as base64. A value is checked when it is read; when it is written it only has to
 * be something that JSON can carry, since a schema may transform and can't be run backwards.
 */
import { AgentError } from "../../base/errors.ts";
import { bodyError, FieldFault, memberStep, quoted } from "./body-fault.ts";
import { formatJson } from "./json-format.ts";
import type { JsonValue } from "./json-value.ts";
import type { Shape } from "./shape.ts";

/** What is used of the Standard Schema interface; any conforming schema fits. */
export interface StandardSchema<Output> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  };
}

type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** Issues that one error lists; it says how many more there are. */
const MAX_ISSUES = 8;
/** Characters of one issue's text. */
const MAX_ISSUE_CHARS = 160;

/**
 * Shape named `name` of what `schema` accepts.
 *
 * @throws AgentError `ERR_HANDLER_MODULE` if `schema` is not a Standard Schema of version 1, or is
 *   known to be asynchronous: a body is read within the read event that brings it. Of a schema that
 *   only turns out to be asynchronous in use, every body fails with `ERR_INTERNAL`.
 */
export function jsonShape<Output>(name: string, schema: StandardSchema<Output>): Shape<Output> {
  assertUsable(name, schema);
  return {
    typeName: name,
    fromJson: (value) => validate(name, schema, value),
    toJson: (value) => write(name, value),
    toPlain: (value) => value,
    fromProtobuf: () => refuse(name),
    toProtobuf: () => refuse(name),
    fromBytes: () => refuse(name),
    toBytes: () => refuse(name),
  };
}

function assertUsable(name: string, schema: unknown): void {
  const { "~standard": standard, async } = Object(schema);
  if (standard?.version !== 1 || typeof standard.validate !== "function") {
    throw new AgentError(
      "ERR_HANDLER_MODULE",
      `schema of ${name} does not follow Standard Schema version 1`,
    );
  }
  // valibot says so beforehand.
  if (async === true) {
    throw new AgentError("ERR_HANDLER_MODULE", `schema of ${name} is asynchronous: use a sync one`);
  }
}

function validate<Output>(name: string, schema: StandardSchema<Output>, value: JsonValue): Output {
  let result: StandardResult<Output> | Promise<StandardResult<Output>>;
  try {
    result = schema["~standard"].validate(value);
  } catch (cause) {
    throw new AgentError("ERR_INTERNAL", `schema of ${name} failed`, { cause });
  }
  if (result instanceof Promise) {
    // Its outcome is of no use any more, and must not surface as an unhandled rejection.
    result.catch(() => undefined);
    throw new AgentError("ERR_INTERNAL", `schema of ${name} is asynchronous: use a sync one`);
  }
  if (result.issues === undefined) return result.value;
  throw issuesError(name, result.issues);
}

function issuesError(name: string, issues: readonly StandardIssue[]): AgentError {
  const [first, ...others] = issues.slice(0, MAX_ISSUES);
  if (first === undefined) return bodyError(name, "", "refused by its schema");
  const reasons = [printable(first.message)];
  for (const issue of others) reasons.push(`${name}${pathOf(issue)}: ${printable(issue.message)}`);
  const left = issues.length - reasons.length;
  if (left > 0) reasons.push(`and ${left} more`);
  return bodyError(name, pathOf(first), reasons.join("; "));
}

function pathOf(issue: StandardIssue): string {
  const fault = new FieldFault("");
  for (const segment of (issue.path ?? []).toReversed()) {
    const key = typeof segment === "object" ? segment.key : segment;
    fault.under(typeof key === "number" ? `[${key}]` : memberStep(String(key)));
  }
  return fault.path;
}

function printable(message: string): string {
  const text = quoted(message, MAX_ISSUE_CHARS);
  return text.slice(1, -1).replaceAll('\\"', '"');
}

function write(name: string, value: unknown): string {
  try {
    return formatJson(value);
  } catch (thrown) {
    if (!(thrown instanceof FieldFault)) throw thrown;
    const [field, reason] = [name + thrown.path, thrown.reason];
    throw new AgentError("ERR_INTERNAL", `${field} can't be written: ${reason}`, {
      fields: { field, reason },
    });
  }
}

function refuse(name: string): never {
  throw new AgentError(
    "ERR_WIRE_CONTENT_TYPE",
    `${name} is spoken in JSON only: use application/json or application/json-rpc`,
  );
}
