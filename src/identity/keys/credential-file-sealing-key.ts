/**
 * The sealing key in a file that `systemd-creds encrypt` made, decrypted by the agent itself: for
 * devices whose unit can't be changed to load it as a credential.
 *
 * Protects against: with `--with-key=tpm2` or `host+tpm2`, a stolen or copied disk; with
 * `--with-key=host` only against reading single files, because the host's key lies on the same disk.
 * Needs root, because `systemd-creds` reads the host's key. Destroying it overwrites nothing outside the
 * store: the file is the operator's.
 */
import { AgentError } from "../../base/errors.ts";
import type { Programs } from "../../host/programs.ts";
import { ABSOLUTE_PATH, checkSetting, runSealingCommand, said } from "./sealing-command.ts";
import { type SealingKeySource, sealingKeyOctets } from "./sealing-key.ts";

export interface CredentialFileOptions {
  /** Absolute path of the encrypted credential. */
  readonly path: string;
  /** The name that it was encrypted with, and that is authenticated. */
  readonly name: string;
  readonly programs: Programs;
}

const MISSING = /No such file or directory/;

/** @throws AgentError `ERR_KEY_SEALING_INVALID` for settings of another form. */
export function credentialFileSealingKey(options: CredentialFileOptions): SealingKeySource {
  const path = checkSetting(
    "the credential's file",
    options.path,
    ABSOLUTE_PATH,
    "an absolute path",
  );
  const name = checkSetting(
    "the credential's name",
    options.name,
    /^[\w.-]{1,255}$/,
    "letters, digits, dot, hyphen, underscore",
  );
  const description = `the encrypted credential ${path}`;
  return {
    kind: "systemd-creds",
    description,
    async read() {
      const result = await runSealingCommand(options.programs, {
        program: "systemd-creds",
        parameters: ["decrypt", `--name=${name}`, "--newline=no", path, "-"],
        package: "systemd",
      });
      if (result.status === 0) return sealingKeyOctets(result.stdout, description);
      result.stdout.fill(0);
      throw new AgentError(
        MISSING.test(result.stderr) ? "ERR_KEY_SEALING_LOST" : "ERR_KEY_SEALING_WRONG",
        `${description} can't be decrypted on this device under the name ${name}${said(result)}`,
      );
    },
    destroy: async () => ({ complete: false, remains: `delete the encrypted credential ${path}` }),
  };
}
