/**
 * The codec of a handler module, in a wrapper that holds whatever it does: the functions inside are
 * somebody else's, and what they read comes from the network.
 *
 *     peer -> size -> [ read -> copy within limits -> checkRead ] -> shape -> handler
 *     handler -> shape -> [ copy within limits -> checkWrite -> write -> copy ] -> size -> peer
 *
 * What stands in brackets runs in a time box. Both directions exchange copies: the codec may keep or
 * overwrite what it was given, and reuse the buffer that it returned.
 *
 * A body that is bad is the peer's fault (`ERR_WIRE_BODY`, `ERR_WIRE_TOO_LARGE`); everything else is the
 * codec's own (`ERR_HANDLER_CODEC`, reported each time). A codec that hangs again and again rests: each
 * hang holds up the whole agent, and whoever found the body that does it will send it again.
 *
 * Synchronous only: a body is read within the read event that brings it, and code that goes on after an
 * `await` is beyond any time limit. A promise is garbage.
 */
import { AgentError, errorText } from "../../base/errors.ts";
import { bodyError, FieldFault, kindOf, quoted } from "./body-fault.ts";
import type { Codec } from "./codec.ts";
import type { CustomLimits } from "./custom-limits.ts";
import { parseJson } from "./json-text.ts";
import type { JsonValue } from "./json-value.ts";
import { byteLengthOf, NotPlain, type PlainValue, plainCopy } from "./plain-copy.ts";
import type { Shape } from "./shape.ts";
import { encodeUtf8 } from "./utf8.ts";

export interface CodecFault {
  readonly direction: "read" | "write";
  readonly kind: "threw" | "garbage" | "beyond limits" | "hung";
  /** One line, printable, bounded: ours, or the message of what was thrown. */
  readonly reason: string;
  /** Faults of this codec so far, this one included. */
  readonly failures: number;
}

export interface CustomCodecParts {
  /** Checked by `codec-table.ts`. */
  readonly contentType: string;
  readonly read: (bytes: Uint8Array) => unknown;
  readonly write: (value: PlainValue) => unknown;
  /** Says what is wrong with a value within limits, or `undefined`. */
  readonly checkRead: ((value: PlainValue) => unknown) | undefined;
  readonly checkWrite: ((value: PlainValue) => unknown) | undefined;
  readonly limits: CustomLimits;
  /** UTF-16 units and bytes of all strings of one value together. */
  readonly maxText: number;
  /** See `host/time-box.ts`; what is given to it here never throws, so that whatever it throws means: ended. */
  readonly timeBox: <T>(limitMs: number, work: () => T) => T;
  /** What a thrown error says about the body; `undefined`: it says nothing, the codec has failed. */
  readonly blamesBody: (thrown: unknown) => string | undefined;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  readonly onFault: (fault: CodecFault) => void;
  /** @param forMs How long it rests. */
  readonly onRest: (forMs: number) => void;
}

/** So many hangs within {@link REST_MS} are too many. */
const MAX_HANGS = 3;
const REST_MS = 60_000;
/** Characters of an author's text that a peer or the log sees. */
const MAX_REASON = 160;

/** What an author's check says is wrong with a body. */
class Refused {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** The codec returned what no codec may. */
class Garbage {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** What came of one attempt at the codec's work, in values of ours only. */
type Outcome<T> = { readonly value: T } | Verdict;

interface Verdict {
  readonly kind: Exclude<CodecFault["kind"], "hung"> | "bad body";
  /** Below the body, of a bad one. */
  readonly path: string;
  readonly reason: string;
}

export function customCodec(parts: CustomCodecParts): Codec {
  return new CustomCodec(parts);
}

class CustomCodec implements Codec {
  readonly name = "custom";
  readonly contentType: string;
  readonly #parts: CustomCodecParts;
  #failures = 0;
  /** Monotonic milliseconds of the last hangs. */
  #hangs: number[] = [];
  #restsUntilMs = Number.NEGATIVE_INFINITY;

  constructor(parts: CustomCodecParts) {
    this.contentType = parts.contentType;
    this.#parts = parts;
  }

  openRequest(): undefined {
    return undefined;
  }

  readRequest<T>(bytes: Uint8Array, shape: Shape<T>): T {
    return shape.fromJson(this.#read(bytes), "protojson");
  }

  readReply<T>(bytes: Uint8Array, shape: Shape<T>): { readonly ok: true; readonly value: T } {
    return { ok: true, value: this.readRequest(bytes, shape) };
  }

  writeRequest<T>(value: T, shape: Shape<T>): Uint8Array {
    return this.writeReply(value, shape);
  }

  writeReply<T>(value: T, shape: Shape<T>): Uint8Array {
    const plain = shape.toPlain?.(value) ?? parseJson(encodeUtf8(shape.toJson(value, "protojson")));
    return this.#write(plain);
  }

  writeError(): Uint8Array {
    return new Uint8Array();
  }

  #read(bytes: Uint8Array): JsonValue {
    const { limits, maxText, read, checkRead } = this.#parts;
    if (bytes.byteLength > limits.maxBodyBytes) {
      throw new AgentError(
        "ERR_WIRE_TOO_LARGE",
        `a body of ${bytes.byteLength} bytes: ${this.contentType} takes ${limits.maxBodyBytes}`,
      );
    }
    // As with every codec, no bytes are the zero message.
    if (bytes.byteLength === 0) return {};
    return this.#guard("read", () => {
      const value = plainCopy(present(read(new Uint8Array(bytes))), limits, maxText);
      if (checkRead !== undefined) check(checkRead, value);
      // Shapes take bytes where they take base64.
      return value as JsonValue;
    });
  }

  #write(value: unknown): Uint8Array {
    const { limits, maxText, write, checkWrite } = this.#parts;
    return this.#guard("write", () => {
      const plain = plainCopy(present(value), limits, maxText);
      if (checkWrite !== undefined) check(checkWrite, plain);
      const bytes = present(write(plain));
      // A proxy of an array would pass instanceof alone.
      if (!ArrayBuffer.isView(bytes) || !(bytes instanceof Uint8Array)) {
        throw new Garbage(`write returned ${kindOf(bytes)}, not a Uint8Array`);
      }
      const size = byteLengthOf(bytes);
      if (size > limits.maxBodyBytes) {
        throw new FieldFault(`${size} bytes written, ${limits.maxBodyBytes} allowed`);
      }
      return new Uint8Array(bytes);
    });
  }

  #guard<T>(direction: CodecFault["direction"], work: () => T): T {
    const { limits, nowMs, timeBox } = this.#parts;
    const restMs = this.#restsUntilMs - nowMs();
    if (restMs > 0) {
      throw new AgentError(
        "ERR_RPC_OVERLOADED",
        `the codec for ${this.contentType} hung too often and rests`,
        { fields: { limit: "codec", retry_after_ms: Math.ceil(restMs) } },
      );
    }
    let outcome: Outcome<T>;
    try {
      outcome = timeBox(limits.maxMs, () => this.#attempt(direction, work));
    } catch {
      const failed = this.#failed(direction, "hung", `not done within ${limits.maxMs} ms`);
      this.#noteHang(nowMs());
      throw failed;
    }
    if ("value" in outcome) return outcome.value;
    const { kind, path, reason } = outcome;
    if (kind === "bad body") throw bodyError(this.contentType, path, reason);
    throw this.#failed(direction, kind, reason);
  }

  /**
   * Never throws. What was thrown is judged here, within the box: to ask it anything, even what it is an
   * instance of, may run code of its own.
   */
  #attempt<T>(direction: CodecFault["direction"], work: () => T): Outcome<T> {
    try {
      return { value: work() };
    } catch (thrown) {
      try {
        return this.#judge(direction === "read", thrown);
      } catch {
        return { kind: "threw", path: "", reason: "an object that throws when it is looked at" };
      }
    }
  }

  /** Who is to blame for what was thrown. */
  #judge(reading: boolean, thrown: unknown): Verdict {
    if (thrown instanceof NotPlain) {
      return { kind: "garbage", path: "", reason: `value${thrown.path} is ${thrown.reason}` };
    }
    if (thrown instanceof Garbage) return { kind: "garbage", path: "", reason: thrown.reason };
    if (thrown instanceof FieldFault) {
      if (reading) return { kind: "bad body", path: thrown.path, reason: thrown.reason };
      return { kind: "beyond limits", path: "", reason: `value${thrown.path}: ${thrown.reason}` };
    }
    if (thrown instanceof Refused) {
      if (reading) return { kind: "bad body", path: "", reason: printable(thrown.reason) };
      return { kind: "beyond limits", path: "", reason: `checkWrite: ${thrown.reason}` };
    }
    const blame = reading ? this.#parts.blamesBody(thrown) : undefined;
    if (blame !== undefined) return { kind: "bad body", path: "", reason: printable(blame) };
    return { kind: "threw", path: "", reason: textOf(thrown) };
  }

  #failed(
    direction: CodecFault["direction"],
    kind: CodecFault["kind"],
    reason: string,
  ): AgentError {
    this.#failures++;
    const { onFault } = this.#parts;
    onFault({ direction, kind, reason: printable(reason), failures: this.#failures });
    return new AgentError(
      "ERR_HANDLER_CODEC",
      `the codec for ${this.contentType} failed to ${direction} the body; the agent's log says why`,
    );
  }

  #noteHang(nowMs: number): void {
    this.#hangs = [...this.#hangs.filter((at) => nowMs - at < REST_MS), nowMs];
    if (this.#hangs.length < MAX_HANGS) return;
    this.#hangs = [];
    this.#restsUntilMs = nowMs + REST_MS;
    this.#parts.onRest(REST_MS);
  }
}

/** @throws Garbage for a promise, or anything that would settle later. */
function present(value: unknown): unknown {
  if (value instanceof Promise) {
    // Its outcome is of no use any more, and must not surface as an unhandled rejection.
    value.catch(() => undefined);
    throw new Garbage("a promise: a codec is synchronous");
  }
  return value;
}

function check(accepts: (value: PlainValue) => unknown, value: PlainValue): void {
  const verdict = present(accepts(value));
  if (verdict === undefined || verdict === true) return;
  if (verdict === false) throw new Refused("refused");
  if (typeof verdict === "string") throw new Refused(verdict);
  throw new Garbage(`a check returned ${kindOf(verdict)}, not undefined or what is wrong`);
}

/** What was thrown, without running code of whoever made it. */
function textOf(thrown: unknown): string {
  if (typeof thrown === "object" && thrown !== null) {
    const message = Object.getOwnPropertyDescriptor(thrown, "message")?.value;
    if (thrown instanceof Error && typeof message === "string") return message;
    return "an object that is no Error";
  }
  if (typeof thrown === "function") return "a function";
  return `${errorText(thrown)} (a value, not an Error)`;
}

/** One line of printable ASCII. */
function printable(text: string): string {
  return quoted(text, MAX_REASON).slice(1, -1).replaceAll('\\"', '"');
}
