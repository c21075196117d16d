/**
 * What a command may know of the process that it runs in: streams, environment, signals, time. Made
 * once in `main.ts` from the real process; tests make their own.
 */
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";

/** A stream for people or for another program. Writing never throws, also after the reader has gone. */
export interface Output {
  readonly isTerminal: boolean;
  /** Colours and other escape sequences are welcome. */
  readonly colour: boolean;
  write(text: string | Uint8Array): void;
  /** Aborts when the reader has gone (EPIPE): what produces output may stop. */
  readonly closed: AbortSignal;
}

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  /** Effective user id. */
  readonly uid: number;
  readonly pid: number;
  /** Program and leading arguments that start this same program again. */
  readonly self: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly random: Random;
  /** Calls `listener` for each such signal until the returned function is called. */
  onSignal(signal: StopSignal, listener: () => void): () => void;
  /**
   * Calls `listener` for what nobody caught, instead of ending the process with a stack.
   *
   * @param kind An exception may have left anything half done; a rejection only what awaited nothing.
   */
  onBug(listener: (kind: "exception" | "rejection", thrown: unknown) => void): () => void;
  /** Ends the process at once; for what can't wait. */
  exit(code: number): never;
}

/** Whether escape sequences may go to a stream: a terminal, and nobody said no (no-color.org). */
export function wantsColour(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
}
