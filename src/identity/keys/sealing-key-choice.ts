/**
 * Which sealing key is used, by configuration: of those that are configured the best one, in the order
 * systemd credential, TPM, token, encrypted credential file, device key file. The device key file is
 * always there to fall back on, but only while nothing better is configured: a source that fails is an
 * error, and never a reason to try the next.
 */
import type { Files } from "../../host/files.ts";
import type { Programs } from "../../host/programs.ts";
import type { Random } from "../../host/random.ts";
import type { StateDisk } from "../../host/state-disk.ts";
import {
  type CredentialFileOptions,
  credentialFileSealingKey,
} from "./credential-file-sealing-key.ts";
import { credentialSealingKey } from "./credential-sealing-key.ts";
import { readDeviceMarks } from "./device-marks.ts";
import { deviceSealingKey } from "./device-sealing-key.ts";
import type { SealingKeySource } from "./sealing-key.ts";
import { type TokenKeyOptions, tokenSealingKey } from "./token-sealing-key.ts";
import { type TpmKeyOptions, tpmSealingKey } from "./tpm-sealing-key.ts";

/** What the configuration says; all but the last may be left out. */
export interface SealingKeySettings {
  /** Path of a decrypted systemd credential. */
  readonly credential?: string;
  readonly tpm?: Omit<TpmKeyOptions, "programs">;
  readonly token?: Omit<TokenKeyOptions, "programs" | "files">;
  readonly credentialFile?: Omit<CredentialFileOptions, "programs">;
  /** Absolute path of the device's key file, made when needed. */
  readonly deviceFile: string;
  /** The store's directory: its owner is the user that the agent runs as. */
  readonly storeDir?: string;
}

export interface SealingKeyPorts {
  readonly files: Files;
  readonly disk: StateDisk;
  readonly programs: Programs;
  readonly random: Random;
  /** The user of this process. */
  readonly uid: number;
}

/** @throws AgentError `ERR_KEY_SEALING_INVALID` for settings of another form. */
export function chooseSealingKey(
  settings: SealingKeySettings,
  ports: SealingKeyPorts,
): SealingKeySource {
  const { files, programs, disk, random, uid } = ports;
  if (settings.credential !== undefined) return credentialSealingKey(settings.credential, files);
  if (settings.tpm !== undefined) return tpmSealingKey({ ...settings.tpm, programs });
  if (settings.token !== undefined) return tokenSealingKey({ ...settings.token, programs, files });
  if (settings.credentialFile !== undefined) {
    return credentialFileSealingKey({ ...settings.credentialFile, programs });
  }
  const marks = (): ReturnType<typeof readDeviceMarks> => readDeviceMarks(files);
  const { deviceFile: path, storeDir } = settings;
  const owned = storeDir === undefined ? {} : { ownedLike: storeDir };
  return deviceSealingKey({ path, disk, random, uid, marks, ...owned });
}
