/**
 * Which sealing key the configuration means.
 */
import { dirname, join } from "node:path";
import type { SealingKeySource } from "../identity/keys/sealing-key.ts";
import { chooseSealingKey, type SealingKeySettings } from "../identity/keys/sealing-key-choice.ts";
import type { StatePorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";
import { ConfigError, type ConfigProblem } from "./config-problem.ts";

/** @throws ConfigError when a source is configured in part; AgentError `ERR_KEY_SEALING_INVALID`. */
export function sealingKeyOf(
  config: AgentConfig,
  storeDir: string,
  ports: StatePorts,
): SealingKeySource {
  return chooseSealingKey(settingsOf(config, storeDir, ports.credentialsDirectory), ports);
}

function settingsOf(
  config: AgentConfig,
  storeDir: string,
  credentialsDirectory: string | undefined,
): SealingKeySettings {
  const { sealing } = config;
  const problems: ConfigProblem[] = [];
  const needed = (key: string, value: string | undefined, of: string): string => {
    if (value === undefined)
      problems.push({ key: `sealing.${key}`, message: `is missing: ${of} needs it` });
    return value ?? "";
  };
  const { credential, tpmHandle, tpmPcrs, tpmAuthFile, tpmTcti } = sealing;
  const { tokenModule, tokenPadding, credentialFile, credentialName } = sealing;
  const settings: SealingKeySettings = {
    ...(credential === undefined
      ? {}
      : { credential: credentialPath(credential, credentialsDirectory, problems) }),
    ...(tpmHandle === undefined
      ? {}
      : {
          tpm: {
            handle: tpmHandle,
            ...(tpmPcrs === undefined ? {} : { pcrs: tpmPcrs }),
            ...(tpmAuthFile === undefined ? {} : { authFile: tpmAuthFile }),
            ...(tpmTcti === undefined ? {} : { tcti: tpmTcti }),
          },
        }),
    ...(tokenModule === undefined
      ? {}
      : {
          token: {
            module: tokenModule,
            tokenLabel: needed("token_label", sealing.tokenLabel, "a token"),
            keyId: needed("token_key_id", sealing.tokenKeyId, "a token"),
            padding: tokenPadding,
            wrappedFile: needed("token_wrapped_file", sealing.tokenWrappedFile, "a token"),
            pinFile: needed("token_pin_file", sealing.tokenPinFile, "a token"),
          },
        }),
    ...(credentialFile === undefined
      ? {}
      : { credentialFile: { path: credentialFile, name: credentialName } }),
    deviceFile: sealing.deviceFile ?? join(dirname(storeDir), "sealing.key"),
    storeDir,
  };
  if (problems.length > 0) throw new ConfigError(config.file, problems, config.controlSocketPath);
  return settings;
}

/** systemd.exec(5): credentials lie in `$CREDENTIALS_DIRECTORY` under their names. */
function credentialPath(
  nameOrPath: string,
  directory: string | undefined,
  problems: ConfigProblem[],
): string {
  if (nameOrPath.startsWith("/")) return nameOrPath;
  if (directory !== undefined) return join(directory, nameOrPath);
  problems.push({
    key: "sealing.credential",
    message: `names the systemd credential ${nameOrPath}, but systemd passed none: $CREDENTIALS_DIRECTORY is not set`,
  });
  return "";
}
