/**
 * The keys of `[store]`, `[sealing]`, `[probation]` and `[time]`. `docs/certificates.md` tells the
 * operator what they mean together.
 */
import { choice, hostPort, integer, listOf, path, text } from "./config-kinds.ts";
import { LIVE, optional, row } from "./config-row.ts";

export const STORE_ROWS = {
  dir: optional(
    path(),
    "Directory of the certificate store, which then owns key, certificate and trust bundle; instead of tls.cert, tls.key and tls.ca.",
    { defaultDoc: "none: the files of [tls]" },
  ),
  wear_budget_kib: row(
    integer(64, 1_048_576, "KiB per day"),
    4_096,
    "What the store may write in a day before it warns.",
  ),
};

const words = text({
  allowed: "1 to 255 letters, digits, spaces or any of . _ : , + -",
  pattern: /^[A-Za-z0-9 ._:,+-]{1,255}$/,
});

/** Of several sources the first that is configured counts, in this order. */
export const SEALING_ROWS = {
  credential: optional(
    text({
      allowed: "the name of a systemd credential, or the absolute path of one",
      pattern: /^(?:[A-Za-z0-9._-]{1,255}|\/[^\0]{1,1000})$/,
    }),
    "systemd credential that seals the private keys: 32 random bytes, passed in by LoadCredentialEncrypted=.",
  ),
  tpm_handle: optional(
    text({
      allowed: "a persistent handle: 0x81 and six hexadecimal digits",
      pattern: /^0x81[0-9a-fA-F]{6}$/,
    }),
    "TPM object that holds the sealing key; needs tpm2-tools.",
  ),
  tpm_pcrs: optional(words, 'PCRs of that object\'s policy, as in "sha256:0,7".'),
  tpm_auth_file: optional(path(), "File with that object's authorisation, instead of tpm_pcrs."),
  tpm_tcti: optional(words, "How the tools reach the TPM.", { defaultDoc: "/dev/tpmrm0" }),
  token_module: optional(
    path(),
    "PKCS#11 module of a token that decrypts the sealing key; needs OpenSC's pkcs11-tool.",
  ),
  token_label: optional(words, "Label of the token."),
  token_key_id: optional(
    text({ allowed: "hexadecimal digits", pattern: /^(?:[0-9a-fA-F]{2}){1,64}$/ }),
    "Id of the RSA key on it (CKA_ID).",
  ),
  token_padding: row(
    choice(["oaep", "pkcs1"]),
    "oaep",
    "How the sealing key was encrypted for the token.",
  ),
  token_wrapped_file: optional(path(), "The encrypted sealing key."),
  token_pin_file: optional(path(), "File with the user PIN; best a systemd credential."),
  credential_file: optional(
    path(),
    "Encrypted credential that the agent decrypts itself with systemd-creds.",
  ),
  credential_name: row(words, "microedge", "Name that credential_file was encrypted with."),
  device_file: optional(
    path(),
    "The device's own sealing key, made at first use and tied to this device; used while nothing above is set.",
    { defaultDoc: "sealing.key beside store.dir" },
  ),
};

export const PROBATION_ROWS = {
  peers: row(
    listOf(hostPort(1)),
    [],
    "Peers that a new certificate is tried against. Without any, it stays unproven: in force, but nobody has confirmed it.",
    LIVE,
  ),
};
