/**
 * What the policy costs each call: decided and noted for the audit log, with few and with many rules,
 * for 200 connections that take turns. In this process; no sockets.
 */
import { SILENT } from "#src/base/log.ts";
import type { Principal } from "#src/base/principal.ts";
import { AclPolicy } from "#src/guard/acl-policy.ts";
import { AuditLog } from "#src/guard/audit.ts";
import type { Target } from "#src/guard/policy.ts";
import { systemClock } from "#src/host/clock.ts";
import { principal } from "../fakes/memory-server.ts";
import { comparison, type Figure } from "./figure.ts";

const FEW = 10;
const MANY = 1_000;
const CONNECTIONS = 200;
const ENDPOINTS = 30;

export async function access(_rig: unknown, quick: boolean): Promise<Figure[]> {
  const [rounds, calls] = quick ? [1, 200_000] : [5, 2_000_000];
  const costs = new Map<number, number[]>([
    [FEW, []],
    [MANY, []],
  ]);
  for (let round = 0; round < rounds; round += 1) {
    for (const [rules, measured] of costs) measured.push(nsPerCall(rules, calls));
  }
  const name = `access: a call decided and noted, ${MANY} peer rules`;
  const few = { name: `${FEW} peer rules`, values: costs.get(FEW) ?? [] };
  return [comparison(name, costs.get(MANY) ?? [], "ns", few)];
}

function nsPerCall(rules: number, calls: number): number {
  const policy = policyOf(rules);
  const audit = new AuditLog({ clock: systemClock, log: SILENT });
  const peers = Array.from({ length: CONNECTIONS }, (_, at) =>
    principal({ cn: `peer${at % rules}` }),
  );
  const targets = Array.from(
    { length: ENDPOINTS },
    (_, at): Target => ({ service: "s", endpoint: `H${at % 10}.M${at}`, kind: "read" }),
  );
  const standingOf = (peer: Principal) => policy.standingOf(peer);
  let allowed = 0;
  const run = (count: number): void => {
    for (let at = 0; at < count; at += 1) {
      const [peer, target] = [peers[at % CONNECTIONS], targets[at % ENDPOINTS]];
      if (peer === undefined || target === undefined) throw new Error("nobody calls");
      const decision = policy.decide(peer, target);
      audit.note(peer, target, decision, standingOf);
      if (decision.allowed) allowed += 1;
    }
  };
  run(calls / 10);
  const before = process.cpuUsage();
  run(calls);
  const { user, system } = process.cpuUsage(before);
  if (allowed !== calls * 1.1) throw new Error(`${allowed} of ${calls * 1.1} calls were allowed`);
  return ((user + system) * 1_000) / calls;
}

/** Ten patterns a role, twenty roles at most, and one role a peer. */
function policyOf(rules: number): AclPolicy {
  const roles = Math.min(rules, 20);
  return new AclPolicy({
    ownTrustDomain: undefined,
    trustDomains: [],
    peers: Array.from({ length: rules }, (_, at) => ({
      cn: `peer${at}`,
      roles: [`role${at % roles}`],
    })),
    roles: Array.from({ length: roles }, (_, at) => ({
      name: `role${at}`,
      allow: Array.from({ length: 10 }, (__, handler) => `s/H${handler}.*`),
    })),
  });
}
