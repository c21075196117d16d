/**
 * How a body that can't be read is reported: one `AgentError` `ERR_WIRE_BODY` that names the field,
 * or the byte, and the reason.
 *
 * What a peer sent is shown in part only: at most {@link MAX_QUOTED} characters, escaped, and only
 * where the text itself is the point (a misspelt name, a number that is none). Strings and bytes
 * that merely stand in the wrong place are described, not shown: they may be secrets.
 */
import { AgentError } from "../../base/errors.ts";

/** Characters of a peer's text that an error repeats. */
const MAX_QUOTED = 40;
/** Characters of a field path that an error repeats. */
const MAX_PATH = 200;

/**
 * What is wrong with a value, and where below the value that is being read. Thrown inside this room
 * only; each level it passes puts its own step in front, and {@link bodyError} ends the journey.
 * Not an `Error`: a hostile peer can cause many, and a stack trace is dear.
 */
export class FieldFault {
  readonly reason: string;
  /** Steps from the value to the fault, such as `.name`, `[3]`, `["key"]`. */
  path = "";

  constructor(reason: string) {
    this.reason = reason;
  }

  /** Puts `step` in front of the path; a path that is long already only counts on. */
  under(step: string): this {
    if (this.path.length < MAX_PATH) this.path = step + this.path;
    return this;
  }
}

/** An `ERR_WIRE_BODY` for a value of type `typeName`. */
export function bodyError(typeName: string, path: string, reason: string): AgentError {
  const field = typeName + path;
  return new AgentError("ERR_WIRE_BODY", `${field}: ${reason}`, { fields: { field, reason } });
}

/** Turns what a reader threw into an `ERR_WIRE_BODY`; anything but a fault passes unchanged. */
export function asBodyError(typeName: string, thrown: unknown): unknown {
  return thrown instanceof FieldFault ? bodyError(typeName, thrown.path, thrown.reason) : thrown;
}

/** `text` in double quotes, escaped to printable ASCII and cut to `max` characters. */
export function quoted(text: string, max = MAX_QUOTED): string {
  const shown = text.length > max ? `${text.slice(0, max)}...` : text;
  return JSON.stringify(shown).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What kind of JSON value this is, without showing text. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return "bytes";
  switch (typeof value) {
    case "string":
      return "a string";
    case "boolean":
      return String(value);
    case "number":
      return String(value);
    case "bigint":
      return quoted(String(value)).slice(1, -1);
    case "object":
      return "an object";
    default:
      return `a ${typeof value}`;
  }
}

/** The path step of an object member. */
export function memberStep(name: string): string {
  return /^[A-Za-z_]\w{0,63}$/.test(name) ? `.${name}` : `[${quoted(name)}]`;
}
