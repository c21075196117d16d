/**
 * The configuration of the agent: a TOML file, overridden by the environment, checked as a whole.
 * A configuration that exists is right; nothing inside the agent checks a value again.
 *
 * Units stand in the names. Paths are absolute.
 */
import { dirname, join, resolve } from "node:path";
import { AgentError, errorText } from "../base/errors.ts";
import { type AclConfig, readAcl } from "./config-acl.ts";
import { ConfigError, type ConfigProblem, sortProblems } from "./config-problem.ts";
import { type Reading, readConfig, type Setting, valuesOf } from "./config-reader.ts";
import { applyRules, type Verification } from "./config-rules.ts";
import { LISTS, type ListItem, SECTIONS, type SectionValues } from "./config-table.ts";

export const SYSTEM_CONFIG_PATH = "/etc/microedge/microedge.toml";
export const LOCAL_CONFIG_NAME = "microedge.toml";
const SYSTEM_RUNTIME_DIRECTORY = "/run/microedge";
const CONTROL_SOCKET_NAME = "control.sock";
/** `sun_path` of unix(7) holds 108 bytes, the last of them zero. */
export const MAX_SOCKET_PATH_BYTES = 107;
const MAX_FILE_CHARACTERS = 1_048_576;

export interface AgentConfig extends Omit<SectionValues, "acl"> {
  readonly registry: { readonly static: readonly ListItem<"registry.static">[] };
  readonly handlers: readonly ListItem<"handlers">[];
  /** `undefined` without an `[acl]` section. */
  readonly acl: AclConfig | undefined;
  /** Certificate, key and trust bundle files; `undefined` only with `rpc.insecure_plaintext`. */
  readonly tlsFiles: TlsFiles | undefined;
  readonly verification: Verification;
  readonly controlSocketPath: string;
  /** The file this came from, absolute. */
  readonly file: string;
}

export interface TlsFiles {
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string;
}

/** A configuration with what `config show` and `status` say about it. */
export interface LoadedConfig {
  readonly config: AgentConfig;
  /** Every key with its value and where that comes from, in the order of the table. */
  readonly settings: readonly Setting[];
  readonly warnings: readonly ConfigProblem[];
}

export interface Environment extends Readonly<Record<string, string | undefined>> {
  readonly RUNTIME_DIRECTORY?: string | undefined;
}

/** What the configuration takes from the machine. */
export interface ConfigPlace {
  readonly environment: Environment;
  readonly workingDirectory: string;
  /** Whether the process is root. */
  readonly root: boolean;
  /** Unix milliseconds. */
  nowMs(): number;
  /** The text of a file, strictly UTF-8. Rejects with Node's error when it can't be read. */
  readText(path: string): Promise<string>;
}

/**
 * Finds, reads and checks the configuration: `explicitPath`, else {@link SYSTEM_CONFIG_PATH}, else
 * `microedge.toml` in the working directory.
 *
 * @throws AgentError `ERR_CONFIG_UNREADABLE` when there is no file or it can't be read; ConfigError
 *   (`ERR_CONFIG_INVALID`) with every problem in it.
 */
export async function loadConfig(
  explicitPath: string | undefined,
  place: ConfigPlace,
): Promise<LoadedConfig> {
  const candidates =
    explicitPath === undefined
      ? [SYSTEM_CONFIG_PATH, join(place.workingDirectory, LOCAL_CONFIG_NAME)]
      : [resolve(place.workingDirectory, explicitPath)];
  for (const file of candidates) {
    const toml = await readFile(file, place);
    if (toml !== undefined) return parseConfig(toml, file, place);
  }
  throw new AgentError(
    "ERR_CONFIG_UNREADABLE",
    `no configuration: ${candidates.join(", ")} not found`,
  );
}

/** `undefined` when there is no such file. */
async function readFile(file: string, place: ConfigPlace): Promise<string | undefined> {
  try {
    return await place.readText(file);
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) return undefined;
    throw new AgentError("ERR_CONFIG_UNREADABLE", `cannot read ${file}: ${errorText(cause)}`, {
      cause,
      fields: { file },
    });
  }
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}

/** What a problem is called that leaves open where the control socket is. */
const CONTROL_SOCKET_KEY = /^control(\.socket)?$|CONTROL_SOCKET$/;

/**
 * Checks a configuration text as if it stood in `file` (absolute).
 *
 * @throws ConfigError with every problem in it.
 */
export function parseConfig(
  toml: string,
  file: string,
  place: Pick<ConfigPlace, "environment" | "root" | "nowMs">,
): LoadedConfig {
  if (toml.length > MAX_FILE_CHARACTERS) {
    throw new ConfigError(file, [{ key: "the file", message: "is larger than 1 MiB" }]);
  }
  const directory = dirname(file);
  const reading = readConfig(toml, place.environment, { directory });
  const problems = [...reading.problems];
  const warnings = [...reading.warnings];
  const syntaxFault = problems.some((problem) => problem.message.startsWith("is not TOML"));
  // with no TOML to look at, "tls.cert is missing" would be noise
  if (syntaxFault) throw new ConfigError(file, problems);
  const verification = applyRules(reading, {
    environment: place.environment,
    nowMs: place.nowMs(),
    problems,
    warnings,
  });
  const acl = readAcl(reading, problems);
  const controlSocketPath = controlSocket(reading, file, place);
  if (Buffer.byteLength(controlSocketPath) > MAX_SOCKET_PATH_BYTES) {
    const line = reading.settings.get("control.socket")?.line;
    problems.push({
      key: "control.socket",
      message: `is too long: ${controlSocketPath} has ${Buffer.byteLength(controlSocketPath)} bytes, a Unix socket path at most ${MAX_SOCKET_PATH_BYTES}`,
      ...(line === undefined ? {} : { line }),
    });
  }
  if (problems.length > 0) {
    const known = !problems.some(({ key }) => CONTROL_SOCKET_KEY.test(key));
    throw new ConfigError(file, problems, known ? controlSocketPath : undefined);
  }
  return {
    config: { ...build(reading, verification, controlSocketPath, file), acl },
    settings: [...reading.settings.values()],
    warnings: sortProblems(warnings),
  };
}

/** An agent of systemd and the command line of root must agree without being told. */
function controlSocket(
  reading: Reading,
  file: string,
  place: Pick<ConfigPlace, "environment" | "root">,
): string {
  const given = reading.settings.get("control.socket")?.value;
  if (typeof given === "string") return given;
  // systemd.exec(5): several directories are separated by colons
  const runtime = place.environment.RUNTIME_DIRECTORY?.split(":")[0];
  if (runtime !== undefined && runtime !== "") return join(runtime, CONTROL_SOCKET_NAME);
  const system = place.root || file === SYSTEM_CONFIG_PATH;
  return join(system ? SYSTEM_RUNTIME_DIRECTORY : dirname(file), CONTROL_SOCKET_NAME);
}

function build(
  reading: Reading,
  verification: Verification,
  controlSocketPath: string,
  file: string,
): Omit<AgentConfig, "acl"> {
  const sections = Object.fromEntries(
    Object.entries(SECTIONS).map(([section, rows]) => [section, valuesOf(reading, section, rows)]),
  ) as unknown as Omit<SectionValues, "acl">; // the reader filled every row of the table with a value of its kind
  const items = <L extends keyof typeof LISTS>(name: L): ListItem<L>[] =>
    Array.from(
      { length: reading.lengths.get(name) ?? 0 },
      (_, index) => valuesOf(reading, `${name}[${index}]`, LISTS[name]) as unknown as ListItem<L>,
    );
  const { cert, key, ca } = sections.tls;
  return {
    ...sections,
    registry: { static: items("registry.static") },
    handlers: items("handlers"),
    tlsFiles:
      cert === undefined || key === undefined || ca === undefined
        ? undefined
        : { certPath: cert, keyPath: key, caPath: ca },
    verification,
    controlSocketPath,
    file,
  };
}
