/**
 * Running the stock program that hands out a sealing key: which ones is fixed in the code, parameters
 * are checked before, and neither secret nor whole output goes into an error.
 */
import { AgentError } from "../../base/errors.ts";
import type { ProgramResult, Programs } from "../../host/programs.ts";

/** A slow TPM takes seconds to load a key; one that takes longer hangs. */
const TIMEOUT_MS = 20_000;
const MAX_OUTPUT_BYTES = 16 * 1024;
/** Of what a program said, in an error. */
const MAX_SAID_CHARACTERS = 300;

export type SealingProgram = "tpm2_unseal" | "tpm2_evictcontrol" | "pkcs11-tool" | "systemd-creds";

export interface SealingCommand {
  readonly program: SealingProgram;
  readonly parameters: readonly string[];
  readonly input?: Uint8Array;
  readonly environment?: Readonly<Record<string, string>>;
  /** What the package is called that brings it, for the message when it is missing. */
  readonly package: string;
}

/**
 * Resolves with whatever status the program ended.
 *
 * @throws AgentError `ERR_KEY_SEALING_UNAVAILABLE` when it could not be run to its end.
 */
export async function runSealingCommand(
  programs: Programs,
  command: SealingCommand,
): Promise<ProgramResult> {
  const result = await programs.run(command.program, command.parameters, {
    timeoutMs: TIMEOUT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    ...(command.input === undefined ? {} : { input: command.input }),
    ...(command.environment === undefined ? {} : { environment: command.environment }),
  });
  if (result.end === "exited") return result;
  result.stdout.fill(0);
  const ends = {
    timeout: `did not end within ${TIMEOUT_MS / 1000} seconds`,
    "output-limit": `wrote more than ${MAX_OUTPUT_BYTES} bytes`,
    signal: "was killed",
    "not-found": `is not installed; install ${command.package}`,
    "not-started": "could not be started",
  };
  throw new AgentError(
    "ERR_KEY_SEALING_UNAVAILABLE",
    `${command.program} ${ends[result.end]}${said(result)}`,
  );
}

/** What the program complained of, in one short line for an error. */
export function said({ stderr }: ProgramResult): string {
  const lines = stderr
    .replace(/[^\x20-\x7e\n]+/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const line = lines.join("; ").slice(0, MAX_SAID_CHARACTERS);
  return line === "" ? "" : ` (it says: ${line})`;
}

/** @throws AgentError `ERR_KEY_SEALING_INVALID` naming the setting, when `value` has another form. */
export function checkSetting(name: string, value: string, form: RegExp, words: string): string {
  // A leading hyphen would be read as an option, whatever the form allows.
  if (form.test(value) && !value.startsWith("-")) return value;
  throw new AgentError(
    "ERR_KEY_SEALING_INVALID",
    `${name} is ${JSON.stringify(value.slice(0, 80))}; it must be ${words}`,
  );
}

export const ABSOLUTE_PATH = /^\/[\x20-\x7e]{1,1023}$/;
