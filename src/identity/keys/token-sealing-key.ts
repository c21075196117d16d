/**
 * The sealing key encrypted to an RSA key that a PKCS#11 token (smart card, HSM) keeps, decrypted with
 * OpenSC's `pkcs11-tool`.
 *
 * Protects against: a stolen or copied disk without the token. Does not protect against root on the
 * running device, who can ask the token too, nor against whoever takes token and PIN file together.
 *
 * A wrong PIN is never tried twice: tokens lock after a few, and a locked token means a trip to the
 * device. Made once, by the operator:
 * ```
 * pkcs11-tool --module M --read-object --type pubkey --id 01 -o token.der
 * openssl rand 32 | openssl pkeyutl -encrypt -pubin -inkey token.der -keyform DER -pkeyopt rsa_padding_mode:oaep -out wrapped.bin
 * ```
 */
import { AgentError, errorText } from "../../base/errors.ts";
import type { Files } from "../../host/files.ts";
import type { ProgramResult, Programs } from "../../host/programs.ts";
import { errnoOf } from "../../host/state-disk.ts";
import { ABSOLUTE_PATH, checkSetting, runSealingCommand, said } from "./sealing-command.ts";
import { type SealingKeySource, sealingKeyOctets } from "./sealing-key.ts";

export interface TokenKeyOptions {
  /** Absolute path of the PKCS#11 module. */
  readonly module: string;
  readonly tokenLabel: string;
  /** Of the RSA key, hexadecimal (CKA_ID). */
  readonly keyId: string;
  /** `oaep` is OAEP with SHA-1 (RFC 8017 section 7.1), which all tokens know; its hash need not be collision-free. */
  readonly padding: "oaep" | "pkcs1";
  /** Absolute path of the encrypted sealing key. */
  readonly wrappedFile: string;
  /** Absolute path of a file with the user PIN, such as a systemd credential. */
  readonly pinFile: string;
  /** Further variables that the module needs, as `P11_KIT_SERVER_ADDRESS`. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly programs: Programs;
  readonly files: Files;
}

const MAX_WRAPPED_BYTES = 1024;
const MAX_PIN_BYTES = 256;
const PIN_VARIABLE = "MICROEDGE_TOKEN_PIN";
const WRONG_PIN = /CKR_PIN_(?:INCORRECT|INVALID|LEN_RANGE|LOCKED|EXPIRED)/;
const NO_KEY = /(?:Private )?key not found/i;
/** Modules name a wrong ciphertext by many codes, and pkcs11-tool then tries a call they lack. */
const WRONG_CIPHERTEXT = /C_Decrypt\w* failed/;

/** @throws AgentError `ERR_KEY_SEALING_INVALID` for settings of another form. */
export function tokenSealingKey(options: TokenKeyOptions): SealingKeySource {
  const { files, programs } = options;
  const parameters = parametersOf(options);
  checkSetting("the wrapped key's file", options.wrappedFile, ABSOLUTE_PATH, "an absolute path");
  checkSetting("the PIN's file", options.pinFile, ABSOLUTE_PATH, "an absolute path");
  const description = `the token ${options.tokenLabel}, key ${options.keyId}`;
  let refusedPin: string | undefined;

  return {
    kind: "pkcs11",
    description,
    async read() {
      if (refusedPin !== undefined)
        throw pinRefused(description, `${refusedPin}; not tried again, for that could lock it`);
      const wrapped = await readSmall(
        files,
        options.wrappedFile,
        MAX_WRAPPED_BYTES,
        "ERR_KEY_SEALING_LOST",
      );
      const pinBytes = await readSmall(
        files,
        options.pinFile,
        MAX_PIN_BYTES,
        "ERR_KEY_SEALING_INVALID",
      );
      const pin = Buffer.from(pinBytes)
        .toString("utf8")
        .replace(/[\r\n]+$/, "");
      pinBytes.fill(0);
      const result = await runSealingCommand(programs, {
        program: "pkcs11-tool",
        parameters,
        input: wrapped,
        // In the environment only root and this user can read it; parameters everybody can.
        environment: { ...options.environment, [PIN_VARIABLE]: pin },
        package: "opensc",
      });
      if (result.status === 0) return sealingKeyOctets(result.stdout, description);
      result.stdout.fill(0);
      const wrong = WRONG_PIN.exec(result.stderr)?.[0];
      if (wrong === undefined) throw decryptError(result, description);
      refusedPin = wrong;
      throw pinRefused(description, wrong);
    },
    destroy: async () => ({
      complete: false,
      remains: `the key stays in ${description}, and the wrapped key in ${options.wrappedFile}: delete that file, or the token's key (pkcs11-tool --delete-object --type privkey --id ${options.keyId})`,
    }),
  };
}

function parametersOf(options: TokenKeyOptions): string[] {
  const module = checkSetting(
    "the PKCS#11 module",
    options.module,
    ABSOLUTE_PATH,
    "an absolute path",
  );
  const label = checkSetting(
    "the token's label",
    options.tokenLabel,
    /^[\x20-\x7e]{1,32}$/,
    "1 to 32 printable ASCII characters",
  );
  const id = checkSetting(
    "the key's id",
    options.keyId,
    /^(?:[0-9a-fA-F]{2}){1,32}$/,
    "hexadecimal digits, two an octet",
  );
  const oaep = ["--mechanism", "RSA-PKCS-OAEP", "--hash-algorithm", "SHA-1", "--mgf", "MGF1-SHA1"];
  const padding = options.padding === "oaep" ? oaep : ["--mechanism", "RSA-PKCS"];
  const pin = ["--login", "--pin", `env:${PIN_VARIABLE}`];
  return ["--module", module, "--token-label", label, ...pin, "--decrypt", "--id", id, ...padding];
}

async function readSmall(
  files: Files,
  path: string,
  maxBytes: number,
  missing: "ERR_KEY_SEALING_LOST" | "ERR_KEY_SEALING_INVALID",
): Promise<Uint8Array> {
  try {
    return await files.read(path, maxBytes);
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new AgentError(
      errno === "ENOENT" ? missing : "ERR_KEY_SEALING_INVALID",
      `${path} can't be read: ${errno ?? errorText(cause)}`,
      { cause },
    );
  }
}

function pinRefused(description: string, why: string): AgentError {
  return new AgentError(
    "ERR_KEY_SEALING_INVALID",
    `${description} refused the PIN (${why}); correct the PIN's file, then restart the agent`,
  );
}

function decryptError(result: ProgramResult, description: string): AgentError {
  if (NO_KEY.test(result.stderr)) {
    return new AgentError("ERR_KEY_SEALING_LOST", `${description} is not in the token any more`);
  }
  if (WRONG_CIPHERTEXT.test(result.stderr)) {
    return new AgentError(
      "ERR_KEY_SEALING_WRONG",
      `${description} can't decrypt the wrapped sealing key; it was made for another key or padding, or is damaged${said(result)}`,
    );
  }
  return new AgentError(
    "ERR_KEY_SEALING_UNAVAILABLE",
    `${description} can't be used: pkcs11-tool ended with status ${result.status}${said(result)}`,
  );
}
