/**
 * The sealing key as a systemd credential (systemd.exec(5), LoadCredentialEncrypted=): systemd decrypts
 * it before the agent starts and shows it to this unit alone.
 *
 * Protects against: reading the disk, if the credential is encrypted with the TPM
 * (`systemd-creds encrypt --with-key=tpm2`). With `--with-key=host` the host's key lies on the same
 * disk; then it protects single files only, as a plain LoadCredential= does not even that. Does not
 * protect against root on the running device. It can't be destroyed from here: the encrypted file is
 * the operator's.
 */
import { AgentError, errorText } from "../../base/errors.ts";
import type { Files } from "../../host/files.ts";
import { errnoOf } from "../../host/state-disk.ts";
import { type SealingKeySource, sealingKeyOctets } from "./sealing-key.ts";

const MAX_BYTES = 1024;

/** @param path of the decrypted credential, below `$CREDENTIALS_DIRECTORY`. */
export function credentialSealingKey(path: string, files: Files): SealingKeySource {
  return {
    kind: "systemd-credential",
    description: `the systemd credential ${path}`,
    async read() {
      let bytes: Uint8Array;
      try {
        bytes = await files.read(path, MAX_BYTES);
      } catch (cause) {
        if (errnoOf(cause) === "ENOENT") {
          throw new AgentError(
            "ERR_KEY_SEALING_LOST",
            `systemd passed no credential ${path}; add LoadCredentialEncrypted= to the unit (systemctl edit microedge) and start it again`,
            { cause },
          );
        }
        throw new AgentError(
          cause instanceof RangeError ? "ERR_KEY_SEALING_INVALID" : "ERR_KEY_SEALING_UNAVAILABLE",
          `the systemd credential ${path} can't be read: ${errnoOf(cause) ?? errorText(cause)}`,
          { cause },
        );
      }
      return sealingKeyOctets(bytes, `the systemd credential ${path}`);
    },
    destroy: async () => ({
      complete: false,
      remains: `the credential ${path} is systemd's: delete the file that LoadCredentialEncrypted= or LoadCredential= names`,
    }),
  };
}
