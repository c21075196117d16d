/**
 * `microedge run`: the agent, from the configuration to its last open call.
 */
import type { Agent } from "../../agent/agent.ts";
import type { AgentPorts } from "../../agent/agent-ports.ts";
import type { LoadedConfig } from "../../agent/config.ts";
import { BUILD } from "../../base/build.ts";
import { isAgentError, stackText } from "../../base/errors.ts";
import type { LineLog } from "../../host/line-log.ts";
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { EXIT } from "../exit-codes.ts";
import { machinePorts } from "../machine-ports.ts";
import type { Terminal } from "../terminal.ts";

export const runCommand = command({
  name: "run",
  summary: "run the agent",
  detail:
    "Writes its log to stdout: JSON lines in a pipe, readable ones on a terminal; `agent.ready` says that it serves. SIGTERM and SIGINT let open calls finish within rpc.drain_timeout_ms; a second one ends at once (exit code 143 or 130). SIGHUP reads configuration and TLS files again. An exception that nobody caught is logged with its stack and ends the agent (exit code 70): its supervisor starts it afresh. A rejected promise that nobody waited for, as a handler module may leave one, is logged and the agent goes on.",
  options: {},
  examples: ["microedge run --config microedge.toml"],
  async run({ terminal, configFile }) {
    const loaded = await loadConfiguration(terminal, configFile);
    const log = await openLog(terminal, loaded);
    const stop = stopSignals(terminal);
    terminal.onBug((kind, thrown) => onBug(kind, thrown, log, terminal));
    const running: { agent: Agent | undefined } = { agent: undefined };
    // A signal that came while the agent started is answered by its start: it has just read all.
    terminal.onSignal("SIGHUP", () => void reload(running.agent));
    try {
      const { startAgent } = await import("../../agent/start-agent.ts");
      const ports = await portsOf(terminal, log, configFile);
      running.agent = await startAgent(loaded, ports, stop.signal);
    } catch (thrown) {
      log.log.emit("agent.start.failed", {
        reason: thrown instanceof Error ? thrown.message : String(thrown),
        code: isAgentError(thrown) ? thrown.code : undefined,
      });
      log.close();
      if (stop.signal.aborted) return EXIT.ok;
      throw thrown;
    }
    await stop.asked;
    await running.agent.stop();
    return EXIT.ok;
  },
});

/** The first signal asks to stop; the second one does not wait any longer. */
function stopSignals(terminal: Terminal): { readonly signal: AbortSignal; asked: Promise<void> } {
  const stop = new AbortController();
  const asked = Promise.withResolvers<void>();
  for (const [name, code] of [
    ["SIGTERM", EXIT.terminated],
    ["SIGINT", EXIT.interrupted],
  ] as const) {
    terminal.onSignal(name, () => {
      if (stop.signal.aborted) terminal.exit(code);
      stop.abort(new Error(`stopped by ${name}`));
      asked.resolve();
    });
  }
  return { signal: stop.signal, asked: asked.promise };
}

async function openLog(terminal: Terminal, { config }: LoadedConfig): Promise<LineLog> {
  const [{ LineLog }, { formatJson, formatText }] = await Promise.all([
    import("../../host/line-log.ts"),
    import("../../host/log-format.ts"),
  ]);
  const { stdout, clock } = terminal;
  const { level, format } = config.log;
  const readable = format === "text" || (format === "auto" && stdout.isTerminal);
  return new LineLog({
    sink: stdout,
    clock,
    level,
    format: readable ? formatText({ colour: stdout.colour }) : formatJson,
  });
}

async function portsOf(
  terminal: Terminal,
  log: LineLog,
  configFile: string | undefined,
): Promise<AgentPorts> {
  const [machine, { openProcessFigures }, { systemdNotifier }] = await Promise.all([
    machinePorts(terminal),
    import("../../host/process-figures.ts"),
    import("../../host/systemd.ts"),
  ]);
  const { env, pid } = terminal;
  return {
    ...machine,
    figures: openProcessFigures(),
    notifier: systemdNotifier({ environment: env, pid, log: log.log }),
    log,
    pid,
    version: BUILD.version,
    memory: () => process.memoryUsage(),
    readAgain: () => loadConfiguration(terminal, configFile),
  };
}

/** What was refused, and why, the agent has logged; the old configuration is in force. */
async function reload(agent: Agent | undefined): Promise<void> {
  try {
    await agent?.reload();
  } catch (thrown) {
    if (!isAgentError(thrown)) throw thrown;
  }
}

function onBug(
  kind: "exception" | "rejection",
  thrown: unknown,
  log: LineLog,
  terminal: Terminal,
): void {
  const stack = stackText(thrown);
  log.log.emit(kind === "exception" ? "agent.failed" : "agent.rejection.unhandled", { stack });
  if (kind === "rejection") return;
  log.close();
  terminal.exit(EXIT.bug);
}
