/**
 * Checks of `doctor` on renewal: will the certificate be there tomorrow, and does the queue move?
 */
import { formatSpan } from "../../identity/span-words.ts";
import { judgeRenewal } from "../../rotation/renewal-judgement.ts";
import { type Check, fail, ok, skipped, warn } from "./check.ts";
import { type Facts, isMissing } from "./facts.ts";

/** Reports that nobody takes for so long are no outage of the network any more, or one that deserves a look. */
const LONG_MS = 86_400_000;

export const RENEWAL_CHECKS: readonly Check[] = [
  {
    id: "renewal.state",
    title: "the certificate will be renewed in time",
    needs: ["agent.alive"],
    judge({ agent, nowMs }: Facts) {
      if (isMissing(agent)) return skipped(agent.missing);
      const { renewal, identity, time } = agent;
      if (renewal === undefined) return skipped("no [issuer]: nobody renews this certificate");
      const { level, words, fix } = judgeRenewal(renewal, identity?.notAfter, time?.nowMs ?? nowMs);
      if (fix === undefined) return ok(words);
      return level === "error" ? fail(words, fix) : warn(words, fix);
    },
  },
  {
    id: "issuer.secrets",
    title: "only the agent can read what it shows to the authority",
    needs: ["config.valid"],
    judge({ issuerSecrets }: Facts) {
      if (issuerSecrets.length === 0) return skipped("no password and no birth key in [issuer]");
      for (const { key, file } of issuerSecrets) {
        if (isMissing(file)) return fail(`${key}: ${file.missing}`, "put the file there");
        if ((file.mode & 0o077) === 0) continue;
        return fail(
          `${key}: ${file.path} has mode ${file.mode.toString(8).padStart(4, "0")}: others than its owner can use what is in it`,
          `chmod 600 ${file.path}; if others may have read it, have a new one made`,
        );
      }
      return ok(issuerSecrets.map(({ key }) => key).join(", "));
    },
  },
  {
    id: "queue.durable",
    title: "what is to be done survives a power cut",
    needs: ["agent.alive"],
    judge({ agent }: Facts) {
      if (isMissing(agent)) return skipped(agent.missing);
      const { queue } = agent;
      if (queue === undefined) return skipped("no store.dir: there is no rotation queue");
      if (!queue.durable) {
        return fail(
          `the rotation queue is kept in memory only: ${queue.fault ?? "the disk refuses writes"}`,
          "free space, mount the disk for writing, or replace the card before the next restart",
        );
      }
      if (queue.failed > 0) {
        const count = `${queue.failed} intent${queue.failed === 1 ? "" : "s"}`;
        return warn(`${count} failed for good`, "look at `microedge queue list`");
      }
      const waitedMs = queue.oldestWaitingMs ?? 0;
      const reports = queue.byKind.find(
        ({ kind, state }) => kind === "report" && state === "waiting",
      );
      if (reports !== undefined && waitedMs > LONG_MS) {
        return warn(
          `reports to the fleet not delivered: ${reports.count}; the oldest entry has waited ${formatSpan(waitedMs)}`,
          "look at `microedge queue list`, which names the last error; check report.service and the way to it",
        );
      }
      return ok(`${queue.waiting} wait, ${queue.running} run`);
    },
  },
];
