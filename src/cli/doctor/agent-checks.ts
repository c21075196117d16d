/**
 * Checks of `doctor` on the running agent: its control socket, its state, its listener, its memory.
 */
import { formatBytes, formatDuration } from "../format/duration.ts";
import { type Check, fail, ok, skipped, warn } from "./check.ts";
import { isMissing } from "./facts.ts";

/**
 * Well above the 64 MiB of its own that the systemd unit allows, since this also counts what is resident
 * of the program file, which the kernel can drop at any time, and runs without the unit's flags.
 */
const MEMORY_WARN_BYTES = 160 * 1024 * 1024;

export const AGENT_CHECKS: readonly Check[] = [
  {
    id: "control.socket",
    title: "the control socket is for the agent's user only",
    needs: ["config.valid"],
    judge({ config, socket, socketDirectory, uid }) {
      if (isMissing(config)) return skipped("no configuration");
      const path = config.config.controlSocketPath;
      if (!isMissing(socketDirectory)) {
        const { mode, path: directory } = socketDirectory;
        // A sticky directory (/tmp) lets nobody replace what is another's.
        if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) {
          return fail(`others can write to ${directory}`, `chmod go-w ${directory}`);
        }
      }
      if (isMissing(socket)) {
        return socket.code === "ENOENT"
          ? ok(`${path} will be made at start`)
          : fail(socket.missing, "check the path and its permissions");
      }
      if (socket.kind !== "socket") {
        return fail(`${path} is not a socket`, "remove it, or choose another control.socket");
      }
      if ((socket.mode & 0o077) !== 0) {
        return fail(`${path} is open to others`, `chmod 600 ${path}, or restart the agent`);
      }
      if (socket.uid !== uid && uid !== 0) {
        return warn(
          `${path} belongs to user ${socket.uid}`,
          "run the command as that user or as root",
        );
      }
      return ok(path);
    },
  },
  {
    id: "agent.alive",
    title: "the agent runs and answers",
    needs: ["config.valid"],
    judge({ agent }) {
      if (isMissing(agent)) return fail(agent.missing, "start it with `microedge run`");
      return ok(`process ${agent.pid}, up ${formatDuration(agent.uptimeMs)}`);
    },
  },
  {
    id: "agent.state",
    title: "the agent serves",
    needs: ["agent.alive"],
    judge({ agent }) {
      if (isMissing(agent)) return skipped(agent.missing);
      const { state, listener, tls, identity } = agent;
      if (identity?.generation === 0) {
        return fail(
          "it waits for a certificate: the certificate store is empty",
          "give it one: `microedge cert import`",
        );
      }
      if (listener.listen === undefined) {
        return fail(
          `it waits for ${listener.address}: ${listener.waitingFor ?? "not bound yet"}`,
          "give the machine that address, or change rpc.listen",
        );
      }
      if (state !== "ready") return warn(`it is ${state}`, "ask again in a moment");
      if (tls.refused !== undefined) {
        return warn(
          `newer TLS files are not in use: ${tls.refused}`,
          "correct the files; the agent looks at them again by itself",
        );
      }
      return ok(
        agent.connections === 1 ? "1 peer connected" : `${agent.connections} peers connected`,
      );
    },
  },
  {
    id: "listener.reachable",
    title: "a peer can connect and shake hands",
    needs: ["agent.state"],
    judge({ handshake }) {
      if (isMissing(handshake)) return skipped(handshake.missing);
      return handshake.good
        ? ok(handshake.words)
        : fail(
            `${handshake.address}: ${handshake.words}`,
            handshake.fix ?? `try \`microedge tls probe ${handshake.address}\``,
          );
    },
  },
  {
    id: "agent.memory",
    title: "the agent's memory is within bounds",
    needs: ["agent.alive"],
    judge({ agent }) {
      if (isMissing(agent)) return skipped(agent.missing);
      const words = `${formatBytes(agent.memory.rss)} resident`;
      return agent.memory.rss <= MEMORY_WARN_BYTES
        ? ok(words)
        : warn(
            `${words}, which is more than expected`,
            "look at `microedge status`; report it with its counters",
          );
    },
  },
];
