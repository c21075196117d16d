/**
 * The door to other programs, for the few jobs that a stock tool does better than code of ours: no
 * shell, no inherited environment, a bounded time and a bounded output.
 */
import { execFile } from "node:child_process";

export interface ProgramRun {
  /** Given to the program on standard input, which is then closed. */
  readonly input?: Uint8Array;
  /** The whole environment, but for PATH. */
  readonly environment?: Readonly<Record<string, string>>;
  /** After this it is killed. */
  readonly timeoutMs: number;
  /** Of each of standard output and standard error; more kills it. */
  readonly maxOutputBytes: number;
}

export interface ProgramResult {
  /** `exited` with `status`; otherwise why there is none. */
  readonly end: "exited" | "timeout" | "output-limit" | "signal" | "not-found" | "not-started";
  /** Exit status; -1 without one. */
  readonly status: number;
  /** May hold a secret: the caller overwrites it. */
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Programs {
  /** Runs one to its end. Never rejects: what went wrong is in the result. */
  run(program: string, parameters: readonly string[], options: ProgramRun): Promise<ProgramResult>;
}

/** Where distributions put them; nothing that a user could write to comes first. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

export const systemPrograms: Programs = {
  run: (program, parameters, options) =>
    new Promise((resolve) => {
      const child = execFile(
        program,
        [...parameters],
        {
          env: { ...options.environment, PATH },
          timeout: options.timeoutMs,
          maxBuffer: options.maxOutputBytes,
          killSignal: "SIGKILL",
          encoding: "buffer",
        },
        (error, stdout, stderr) =>
          resolve({ ...endOf(error), stdout, stderr: stderr.toString("utf8") }),
      );
      // A program that ends without reading closes the pipe; how it ended says more than EPIPE.
      child.stdin?.on("error", () => undefined);
      child.stdin?.end(options.input);
    }),
};

function endOf(error: unknown): Pick<ProgramResult, "end" | "status"> {
  if (error === null) return { end: "exited", status: 0 };
  const { code, killed, signal } = error as { code?: unknown; killed?: boolean; signal?: unknown };
  if (typeof code === "number") return { end: "exited", status: code };
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return { end: "output-limit", status: -1 };
  if (code === "ENOENT") return { end: "not-found", status: -1 };
  if (typeof code === "string") return { end: "not-started", status: -1 };
  if (killed === true) return { end: "timeout", status: -1 };
  return { end: typeof signal === "string" ? "signal" : "not-started", status: -1 };
}
