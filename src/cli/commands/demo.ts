/**
 * `microedge demo`: everything once, on this machine, with nothing left behind.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { command } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Report } from "../report.ts";
import { describe } from "../report.ts";
import type { Terminal } from "../terminal.ts";

export const demoCommand = command({
  name: "demo",
  summary: "show a real call over mutual TLS on this machine, and leave nothing behind",
  detail:
    "Makes a throw-away PKI in a temporary directory, starts an agent as a process of its own on a free port of 127.0.0.1, calls it, and checks it with doctor. With --go-peers a real go-micro v5 client calls the agent, and the agent calls a real go-micro v5 service; then a device enrols at a real step-ca, is asked to renew while that is down, and catches up. Exit code 0 only if every step worked.",
  options: {
    "go-peers": {
      type: "string",
      value: "DIR",
      doc: "directory with server-v5, client-v5 and step-ca (scripts/peers builds them)",
    },
    keep: { type: "boolean", doc: "leave the agent running until Ctrl-C" },
  },
  examples: ["microedge demo", "microedge demo --go-peers build/peers", "microedge demo --keep"],
  async run({ terminal, report, options }) {
    const { findGoPeers, playSteps } = await import("../demo/steps.ts");
    const { Scene } = await import("../demo/scene.ts");
    const directoryOfPeers = options["go-peers"] ?? terminal.env["MICROEDGE_DEMO_GO_PEERS"];
    const peers =
      directoryOfPeers === undefined
        ? undefined
        : findGoPeers(resolve(terminal.cwd, directoryOfPeers));
    const stop = stopRequest(terminal);
    const directory = await mkdtemp(join(tmpdir(), "microedge-demo-"));
    report.progress(`Everything happens in ${directory} and on 127.0.0.1.`);
    const scene = new Scene(terminal, report, directory, stop.signal);
    let failure: { readonly thrown: unknown } | undefined;
    try {
      await playSteps(scene, peers);
      if (peers === undefined) {
        report.progress(
          "\nLeft out: real go-micro services in Go, and a renewal at a real step-ca. ./scripts/demo builds and runs them.",
        );
      }
      if (options.keep) await keepRunning(report, directory, stop.asked);
    } catch (thrown) {
      failure = { thrown };
    } finally {
      await scene[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    }
    if (stop.signal.aborted && !options.keep) return stop.code();
    const steps = scene.results;
    if (failure !== undefined) {
      return report.result(
        { steps, error: describe(failure.thrown) },
        () => failureText(failure?.thrown),
        EXIT.no,
      );
    }
    return report.result({ steps }, () => `${NEXT}\n\nmicroedge is ${programOf(terminal)} here.`);
  },
});

const NEXT = `
Every step worked; the agent is stopped and its directory removed.

What to type next, for an agent that stays:
  microedge pki init && microedge pki issue gateway --san dns:localhost,ip:127.0.0.1
  printf '[tls]\\ncert = "pki/gateway.crt"\\nkey = "pki/gateway.key"\\nca = "pki/ca.crt"\\n' > microedge.toml
  microedge run --config microedge.toml
  microedge call microedge Agent.Echo '{"text":"hello"}' --config microedge.toml   # in another terminal`;

/** What a person types: the single executable, or the launcher beside the bundle. */
function programOf({ self }: Terminal): string {
  return (self.at(-1) ?? "").replace(/\.cjs$/, "");
}

function failureText(thrown: unknown): string {
  const { message, hint } = describe(thrown);
  return `\nNOT everything worked: ${message}\n  fix: ${hint}`;
}

async function keepRunning(report: Report, directory: string, asked: Promise<void>): Promise<void> {
  report.progress(`
The agent goes on until you press Ctrl-C. In another terminal, for example:
  microedge call microedge Agent.Info --config ${directory}/microedge.toml`);
  await asked;
}

/** Ctrl-C, SIGTERM and a closed terminal end the demonstration, but not before it has cleaned up. */
function stopRequest(terminal: Terminal): {
  readonly signal: AbortSignal;
  readonly asked: Promise<void>;
  code(): ExitCode;
} {
  const stop = new AbortController();
  const asked = Promise.withResolvers<void>();
  const stopped: { by: ExitCode } = { by: EXIT.ok };
  for (const [name, code] of [
    ["SIGINT", EXIT.interrupted],
    ["SIGTERM", EXIT.terminated],
    // The terminal was closed; without this the agent, for which it means "reload", would stay behind.
    ["SIGHUP", EXIT.hungUp],
  ] as const) {
    terminal.onSignal(name, () => {
      if (stop.signal.aborted) return;
      stopped.by = code;
      stop.abort(new Error(`stopped by ${name}`));
      asked.resolve();
    });
  }
  return { signal: stop.signal, asked: asked.promise, code: () => stopped.by };
}
