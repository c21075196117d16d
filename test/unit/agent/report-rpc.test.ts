import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcReportDelivery } from "#src/agent/report-rpc.ts";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import type { ReportDocument } from "#src/rotation/report-document.ts";
import type { Client } from "#src/rpc/client/client.ts";
import { RemoteError } from "#src/rpc/client/remote-error.ts";

const REPORT: ReportDocument = {
  ...{ v: 1, device: "roof-7", epoch: "e", report: 3, kind: "generation", outcome: "bad" },
  ...{ generation: 8, at: 0, vouched: true, serial: "01", fingerprint: "ab", notAfter: 0 },
  ...{ origin: "import", reasons: [], lost: 0 },
};

function remote(code: number, detail: string): RemoteError {
  return new RemoteError({ id: "fleet.report", code, detail, status: "" }, "127.0.0.1:1", 7_000);
}

interface Case {
  readonly error: AgentError;
  readonly permanent: boolean;
  readonly why: string;
}

const CASES: readonly Case[] = [
  { error: remote(400, "no"), permanent: true, why: "it will never take this one" },
  { error: remote(403, "who?"), permanent: true, why: "nor this" },
  { error: remote(404, "no device"), permanent: true, why: "the handler itself says so" },
  { error: remote(409, "older"), permanent: true, why: "4xx as well" },
  { error: remote(408, "slow"), permanent: false, why: "time is no word on the report" },
  { error: remote(429, "busy"), permanent: false, why: "nor is load" },
  { error: remote(500, "db"), permanent: false, why: "the service is broken, not the report" },
  { error: remote(503, "db"), permanent: false, why: "as it says" },
  {
    error: remote(404, "rpc: can't find method Fleet.Report"),
    permanent: false,
    why: "go-micro's router: the service has been deployed without its handler",
  },
  {
    error: new AgentError("ERR_RPC_CONNECT", "nobody"),
    permanent: false,
    why: "nobody has answered at all",
  },
];

for (const { error, permanent, why } of CASES) {
  test(`${error.message}: ${permanent ? "given up" : "sent again"}: ${why}`, async () => {
    const client = {
      call: async () => {
        throw error;
      },
    } as unknown as Pick<Client, "call">;
    const settings = { service: "fleet", endpoint: "Fleet.Report", timeoutMs: 1000 };
    const delivery = new RpcReportDelivery(client, settings);
    await assert.rejects(delivery.deliver(REPORT, new AbortController().signal), (thrown) => {
      assert.ok(isAgentError(thrown));
      assert.equal(thrown.fields["permanent"] === true, permanent);
      assert.equal(thrown.code, permanent ? "ERR_REPORT_REFUSED" : error.code);
      if (!permanent) assert.equal(thrown, error, "with what it says of waiting");
      return true;
    });
  });
}

test("one call a report, as JSON, within its time, sent again where the connection was lost", async () => {
  const calls: unknown[][] = [];
  const client = {
    call: async (...args: unknown[]) => {
      calls.push(args);
      return {};
    },
  } as unknown as Pick<Client, "call">;
  const settings = { service: "fleet", endpoint: "Fleet.Report", timeoutMs: 1234 };
  const { signal } = new AbortController();
  await new RpcReportDelivery(client, settings).deliver(REPORT, signal);
  const options = { codec: "json", timeoutMs: 1234, idempotent: true, signal };
  assert.deepEqual(calls, [["fleet", "Fleet.Report", REPORT, options]]);
});
