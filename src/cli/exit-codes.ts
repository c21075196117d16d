/**
 * Every exit code of the program, once. Scripts and systemd units may rely on them; numbers from 64
 * to 78 mean what BSD's sysexits(3) says. `docs/cli.md` is generated from {@link EXIT_CODES}.
 */
import type { ErrorCode } from "../base/errors.ts";
import { isAgentError } from "../base/errors.ts";

export const EXIT = {
  ok: 0,
  no: 1,
  usage: 2,
  unreachable: 69,
  bug: 70,
  exists: 73,
  io: 74,
  config: 78,
  runtime: 127,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

interface ExitRow {
  readonly code: ExitCode;
  readonly name: string;
  readonly meaning: string;
}

export const EXIT_CODES: readonly ExitRow[] = [
  {
    code: EXIT.ok,
    name: "ok",
    meaning: "done; for `doctor`: no check failed (warnings count as good)",
  },
  {
    code: EXIT.no,
    name: "no",
    meaning:
      "the command ran and the answer is no: a failed check, a call that ended with an error, a refused handshake, an agent that could not start",
  },
  {
    code: EXIT.usage,
    name: "usage",
    meaning: "unknown command or option, or a value that makes no sense",
  },
  {
    code: EXIT.unreachable,
    name: "unreachable",
    meaning: "the agent is not running, or its control socket can't be used",
  },
  {
    code: EXIT.bug,
    name: "bug",
    meaning: "a bug in microedge; the stack is on stderr or in the agent's log",
  },
  {
    code: EXIT.exists,
    name: "exists",
    meaning: "a file is in the way and microedge does not overwrite it",
  },
  { code: EXIT.io, name: "io", meaning: "a file could not be read or written" },
  {
    code: EXIT.config,
    name: "config",
    meaning: "the configuration, or a file that it names, can't be used; restarting does not help",
  },
  {
    code: EXIT.runtime,
    name: "runtime",
    meaning: "the launcher of the bundle found no Node.js 24; single executables need none",
  },
  {
    code: EXIT.hungUp,
    name: "hung up",
    meaning: "the terminal was closed before the work was done (SIGHUP); `run` reloads instead",
  },
  {
    code: EXIT.interrupted,
    name: "interrupted",
    meaning: "stopped by SIGINT before the work was done (a second one, for `run`)",
  },
  {
    code: EXIT.terminated,
    name: "terminated",
    meaning: "stopped by SIGTERM before the work was done (a second one, for `run`)",
  },
];

/** Codes that say more than "no". */
const BY_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  ERR_USAGE: EXIT.usage,
  ERR_CONTROL_REQUEST: EXIT.usage,
  ERR_CONTROL_UNREACHABLE: EXIT.unreachable,
  ERR_FILE_EXISTS: EXIT.exists,
  ERR_FILE_IO: EXIT.io,
  ERR_CONFIG_INVALID: EXIT.config,
  ERR_CONFIG_UNREADABLE: EXIT.config,
  ERR_TLS_MATERIAL: EXIT.config,
  ERR_HANDLER_MODULE: EXIT.config,
  ERR_INTERNAL: EXIT.no,
};

/** The exit code for anything that a command threw: an `AgentError` by its code, all else is a bug. */
export function exitCodeOf(thrown: unknown): ExitCode {
  if (!isAgentError(thrown)) return EXIT.bug;
  return BY_ERROR[thrown.code] ?? EXIT.no;
}
