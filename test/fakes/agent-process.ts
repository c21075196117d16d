/**
 * The built program as a process: what end-to-end, interop tests and benchmarks run. Never the
 * sources: `npm run build -- --bundle-only` comes first.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Child, type Ended, run } from "./child.ts";
import { type CredentialFiles, makeSite, type Site } from "./site.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** The bundle behind its launcher. */
export const BUNDLE = resolve(ROOT, "dist/microedge");

/** The single executable for this machine's CPU. */
export const EXECUTABLE = resolve(ROOT, `dist/linux-${process.arch}/microedge`);

export interface LogLine {
  readonly event: string;
  readonly listen?: unknown;
  readonly [field: string]: unknown;
}

export interface AgentOptions {
  /** Default: the bundle. May have a runner before it (qemu). */
  readonly program?: readonly [string, ...string[]];
  /** Default: a fresh one, removed with the agent. */
  readonly site?: Site;
  /** Default: a fresh certificate for loopback named "microedge". */
  readonly credentials?: CredentialFiles;
  /** The credentials are imported into a certificate store before the start, instead of [tls]. */
  readonly inStore?: boolean;
  /** TOML instead of the credentials: `[store]` and what belongs to it. */
  readonly identity?: string;
  /** TOML after the sections that every agent has ([rpc], [tls], [control]). */
  readonly config?: string;
  /** More keys for [rpc], as TOML lines. */
  readonly rpc?: string;
  /** More keys for [tls], as TOML lines. */
  readonly tls?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until `agent.ready`. */
  readonly readyMs?: number;
}

export interface AgentProcess extends AsyncDisposable {
  readonly site: Site;
  readonly configPath: string;
  /** "127.0.0.1:PORT" */
  readonly listen: string;
  readonly child: Child;
  /** Everything logged so far. */
  log(): LogLine[];
  /** The first log line of this event, past or future, that `matches`. */
  event(name: string, matches?: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>;
  /** Runs a command of the same program with this agent's configuration. */
  microedge(...args: readonly string[]): Promise<Ended>;
  /** As `microedge`, with text for standard input and a time limit. */
  run(args: readonly string[], options?: { stdin?: string; timeoutMs?: number }): Promise<Ended>;
  /** SIGTERM, then waits; the result has the exit code. */
  stop(): Promise<Ended>;
}

/** Starts `microedge run` with the smallest configuration and waits until it serves. */
export async function startAgent(options: AgentOptions = {}): Promise<AgentProcess> {
  const { program = [BUNDLE], site = await makeSite(), readyMs = 30_000 } = options;
  for (const part of program) {
    if (part.startsWith(ROOT) && !existsSync(part))
      throw new Error(`${part} is missing: npm run build`);
  }
  const { inStore = false } = options;
  const credentials = options.credentials ?? (await site.issue("microedge"));
  const identity = options.identity ?? (inStore ? STORE : tlsFiles(credentials));
  const configPath = await site.write(
    "microedge.toml",
    `[rpc]\nlisten = "127.0.0.1:0"\n${options.rpc ?? ""}
${identity}${options.tls ?? ""}
[control]\nsocket = "control.sock"\n${options.config ?? ""}\n`,
  );
  const env = options.env ?? {};
  if (inStore) {
    const { cert, key, ca } = credentials;
    const args = ["cert", "import", "--cert", cert, "--key", key, "--ca", ca];
    const { code, stderr } = await run([...program, ...args, "--config", configPath], { env });
    if (code !== 0) throw new Error(`the import ended with ${code}: ${stderr}`);
  }
  const child = new Child([...program, "run", "--config", configPath], {
    env,
    cwd: site.directory,
  });
  const command: AgentProcess["run"] = (args, more = {}) =>
    run([...program, ...args, "--config", configPath], { env, ...more });
  const stop = async (): Promise<Ended> => {
    const ended = await child.stop();
    if (options.site === undefined) await site[Symbol.asyncDispose]();
    return ended;
  };
  try {
    const ready = await child.waitFor("agent.ready", eventNamed("agent.ready"), readyMs);
    return {
      site,
      configPath,
      listen: String(ready.listen),
      child,
      log: () =>
        [...child.stdout, ...child.stderr].map(parseLine).filter((line) => line !== undefined),
      event: (name, matches, timeoutMs) =>
        child.waitFor(name, eventNamed(name, matches), timeoutMs),
      microedge: (...args) => command(args),
      run: command,
      stop,
      [Symbol.asyncDispose]: async () => {
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const STORE = '[store]\ndir = "store"\n[tls]\n';

function tlsFiles({ cert, key, ca }: CredentialFiles): string {
  return `[tls]\ncert = "${cert}"\nkey = "${key}"\nca = "${ca}"\n`;
}

function parseLine(line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  const parsed: unknown = JSON.parse(line);
  return typeof parsed === "object" && parsed !== null && "event" in parsed
    ? (parsed as LogLine)
    : undefined;
}

function eventNamed(
  name: string,
  matches: (line: LogLine) => boolean = () => true,
): (line: string) => LogLine | undefined {
  return (text) => {
    const line = parseLine(text);
    return line?.event === name && matches(line) ? line : undefined;
  };
}
