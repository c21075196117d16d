/**
 * The sealing key sealed in a TPM 2.0 as a persistent object, read with `tpm2_unseal`.
 *
 * Protects against: a stolen or copied disk, and, with PCRs, a changed boot chain. Does not protect
 * against root on the running device, nor, without an authorisation or PCRs, against whoever boots the
 * device from a disk of theirs; and the bus between processor and TPM can be listened to on some boards.
 * A firmware update may change PCRs or clear the TPM: keep the device's enrolment at hand.
 *
 * Made once, by the operator:
 * ```
 * openssl rand 32 | tpm2_create -C primary.ctx -i - -u key.pub -r key.priv [-L pcr.policy]
 * tpm2_load -C primary.ctx -u key.pub -r key.priv -c key.ctx && tpm2_evictcontrol -C o -c key.ctx 0x81010001
 * ```
 * (tpm2_unseal(1), tpm2_create(1), tpm2_evictcontrol(1); a TPM seals at most 128 octets.)
 */
import { AgentError } from "../../base/errors.ts";
import type { ProgramResult, Programs } from "../../host/programs.ts";
import { ABSOLUTE_PATH, checkSetting, runSealingCommand, said } from "./sealing-command.ts";
import { type SealingKeySource, sealingKeyOctets } from "./sealing-key.ts";

export interface TpmKeyOptions {
  /** Persistent handle: `0x81` and six hexadecimal digits (TPM 2.0 part 2, section 7.4). */
  readonly handle: string;
  /** PCR selection of the object's policy, as in `sha256:0,7`. Not together with `authFile`. */
  readonly pcrs?: string;
  /** Absolute path of a file with the object's authorisation. */
  readonly authFile?: string;
  /** How the tools reach the TPM; default: the kernel's resource manager. */
  readonly tcti?: string;
  readonly programs: Programs;
}

const DEFAULT_TCTI = "device:/dev/tpmrm0";
const PACKAGE = "tpm2-tools";

/** Response codes of TPM 2.0 part 2, section 6.6.3, as tpm2-tools print them. */
const HANDLE_EMPTY = /0x0*18b\b/i;
const POLICY_FAILED = /0x0*99d\b/i;
const AUTH_FAILED = /0x0*(?:98e|9a2|12f)\b/i;
const LOCKED_OUT = /0x0*921\b/i;

/** @throws AgentError `ERR_KEY_SEALING_INVALID` for settings of another form. */
export function tpmSealingKey(options: TpmKeyOptions): SealingKeySource {
  const { handle, programs } = options;
  checkSetting("the TPM handle", handle, /^0x81[0-9a-fA-F]{6}$/, "0x81 and six hexadecimal digits");
  const reach = ["-T", tctiOf(options)];
  const access = accessOf(options);
  const description = `the TPM's persistent object ${handle}`;
  let refused: AgentError | undefined;
  return {
    kind: "tpm2",
    description,
    async read() {
      // Each wrong authorisation counts towards the TPM's lock-out.
      if (refused !== undefined) throw refused;
      const result = await runSealingCommand(programs, {
        program: "tpm2_unseal",
        parameters: [...reach, "-c", handle, ...access],
        package: PACKAGE,
      });
      if (result.status !== 0) {
        const error = unsealError(result, handle, options.pcrs);
        if (error.code === "ERR_KEY_SEALING_INVALID") refused = error;
        throw error;
      }
      return sealingKeyOctets(result.stdout, description);
    },
    async destroy() {
      const result = await runSealingCommand(programs, {
        program: "tpm2_evictcontrol",
        parameters: [...reach, "-C", "o", "-c", handle],
        package: PACKAGE,
      });
      if (result.status === 0 || HANDLE_EMPTY.test(result.stderr)) {
        return { complete: true, remains: undefined };
      }
      const remains = `the TPM did not give up ${handle}${said(result)}; remove it: tpm2_evictcontrol -C o -c ${handle}`;
      return { complete: false, remains };
    },
  };
}

function tctiOf({ tcti }: TpmKeyOptions): string {
  const form = /^(?:device:\/dev\/tpm(?:rm)?\d{1,2}|(?:swtpm|mssim|tabrmd):[\w.:=,/-]{0,200})$/;
  const words = "device:/dev/tpmrm0, or tabrmd: or swtpm: with its options";
  return checkSetting("the TPM's tcti", tcti ?? DEFAULT_TCTI, form, words);
}

function accessOf({ pcrs, authFile }: TpmKeyOptions): string[] {
  if (pcrs !== undefined && authFile !== undefined) {
    throw new AgentError(
      "ERR_KEY_SEALING_INVALID",
      "a TPM key is opened by PCRs or by an authorisation file, not both",
    );
  }
  if (pcrs !== undefined) {
    const form = /^sha(?:1|256|384):\d{1,2}(?:,\d{1,2}){0,23}$/;
    return ["-p", `pcr:${checkSetting("the PCR selection", pcrs, form, "as in sha256:0,7")}`];
  }
  if (authFile === undefined) return [];
  return [
    "-p",
    `file:${checkSetting("the authorisation file", authFile, ABSOLUTE_PATH, "an absolute path")}`,
  ];
}

function unsealError(result: ProgramResult, handle: string, pcrs: string | undefined): AgentError {
  result.stdout.fill(0);
  const { stderr } = result;
  if (HANDLE_EMPTY.test(stderr)) {
    return new AgentError(
      "ERR_KEY_SEALING_LOST",
      `the TPM holds nothing at ${handle}; it was cleared, or this is another device's disk`,
    );
  }
  if (POLICY_FAILED.test(stderr)) {
    return new AgentError(
      "ERR_KEY_SEALING_LOST",
      `the TPM refuses to unseal ${handle}: the boot chain is another than when it was sealed (PCRs ${pcrs ?? "of its policy"}). After a firmware or boot loader update, reset the store, seal a new key and enrol; otherwise find out what changed`,
    );
  }
  if (AUTH_FAILED.test(stderr)) {
    return new AgentError(
      "ERR_KEY_SEALING_INVALID",
      `the TPM refuses to unseal ${handle}: its authorisation is another, or the setting for PCRs or the authorisation file is missing; correct it and restart the agent${said(result)}`,
    );
  }
  const why = LOCKED_OUT.test(stderr)
    ? "it is locked out after wrong authorisations; wait, or tpm2_dictionarylockout -c"
    : `tpm2_unseal ended with status ${result.status}${said(result)}`;
  return new AgentError("ERR_KEY_SEALING_UNAVAILABLE", `the TPM can't be used: ${why}`);
}
