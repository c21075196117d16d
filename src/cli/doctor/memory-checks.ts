/**
 * Checks of `doctor` on what keeps an agent alive and of use under a memory limit.
 */
import { capacityOf, misfitWords } from "../../agent/capacity.ts";
import { formatBytes } from "../format/duration.ts";
import { type Check, ok, skipped, warn } from "./check.ts";
import { type Facts, isMissing } from "./facts.ts";

/**
 * The usual default of the kernel. With 8 MiB an agent at its limit was of no use: each page that was
 * missing brought 2,000 others, which pushed out those needed next.
 */
const READ_AHEAD_WARN_KIB = 128;
const MANY_FAULTS_PER_SECOND = 50;

export const MEMORY_CHECKS: readonly Check[] = [
  {
    id: "storage.read-ahead",
    title: "the program's disk does not read too far ahead",
    needs: [],
    judge({ readAhead }) {
      if (isMissing(readAhead)) return skipped(readAhead.missing);
      const { device, kib, setting } = readAhead;
      const words = `${kib} KiB on device ${device}`;
      return kib <= READ_AHEAD_WARN_KIB
        ? ok(words)
        : warn(
            `${words}: an agent at its memory limit would read the program again and again`,
            `echo ${READ_AHEAD_WARN_KIB} > ${setting}, and keep it with a udev rule`,
          );
    },
  },
  {
    id: "limits.memory",
    title: "the connections that may be open fit below the memory limit",
    needs: ["config.valid"],
    judge({ config, agent }) {
      if (isMissing(config)) return skipped("no configuration");
      // Ours is another control group: only the agent knows what it may use.
      const limit = isMissing(agent) ? undefined : agent.memory.limit;
      const capacity = capacityOf(config.config.limits, limit);
      if (capacity.limitBytes === undefined) return skipped("no memory limit is known");
      const misfit = misfitWords(capacity);
      if (misfit === undefined) {
        const { maxConnections } = capacity.admission;
        return ok(`${maxConnections} connections, ${formatBytes(capacity.limitBytes)}`);
      }
      return warn(misfit, "lower limits.max_connections, or raise MemoryMax= of the unit");
    },
  },
  {
    id: "agent.thrashing",
    title: "the agent does not wait for its own program to be read from disk",
    needs: ["agent.alive"],
    judge({ agent }: Facts) {
      if (isMissing(agent)) return skipped(agent.missing);
      const { majorFaultsPerSecond: rate, level } = agent.memory;
      if (rate < MANY_FAULTS_PER_SECOND && level === "calm")
        return ok(`${rate} page faults a second`);
      return warn(
        `${rate} page faults a second, memory is ${level}`,
        "raise the memory limit, or allow fewer connections",
      );
    },
  },
];
