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

function remote(code: number, detail: string, id = "fleet.report"): RemoteError {
  return new RemoteError({ id, code, detail, status: "" }, "127.0.0.1:1", 7_000);
}

const PROXY = "go.micro.client.transport";

interface Case {
  readonly error: AgentError;
  readonly permanent: boolean;
  readonly why: string;
}

const CASES: readonly Case[] = [
  { error: remote(400, "no"), permanent: true, why: "it will never take this one" },
  {
    error: remote(401, "who?"),
    permanent: false,
    why: "of the caller: whoever is let in tomorrow",
  },
  { error: remote(403, "not you"), permanent: false, why: "as well" },
  { error: remote(403, "<html>", PROXY), permanent: false, why: "a page of a proxy is no answer" },
  { error: remote(404, "<html>", PROXY), permanent: false, why: "of whatever code" },
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
    const delivery = deliveryOf(async () => {
      throw error;
    });
    await assert.rejects(delivery.deliver(REPORT, new AbortController().signal), (thrown) => {
      assert.ok(isAgentError(thrown));
      assert.equal(thrown.fields["permanent"] === true, permanent);
      assert.equal(thrown.code, permanent ? "ERR_REPORT_REFUSED" : error.code);
      if (permanent) return true;
      assert.equal(thrown.message, error.message);
      const { retryAfterMs } = thrown as { readonly retryAfterMs?: number };
      assert.equal(retryAfterMs, (error as Partial<RemoteError>).retryAfterMs, "what it asks for");
      return true;
    });
  });
}

const SUSPECTS = [
  { error: remote(500, "db"), suspect: true, why: "it may be for what this one says" },
  { error: remote(0, "panic"), suspect: false, why: "without a code nothing is known" },
  { error: remote(502, "<html>", PROXY), suspect: false, why: "the service has not seen it" },
  { error: remote(503, "full"), suspect: false, why: "load is no word on the report" },
  { error: remote(401, "who?"), suspect: false, why: "nor is the caller" },
] as const;

for (const { error, suspect, why } of SUSPECTS) {
  test(`${error.message}: ${suspect ? "" : "not "}suspect: ${why}`, async () => {
    const delivery = deliveryOf(async () => {
      throw error;
    });
    await assert.rejects(delivery.deliver(REPORT, new AbortController().signal), (thrown) => {
      assert.ok(isAgentError(thrown, "ERR_RPC_REMOTE"));
      assert.equal(thrown.fields["suspect"] === true, suspect);
      return true;
    });
  });
}

test("an answer without an error that can't be read: it has the report", async () => {
  const delivery = deliveryOf(async () => {
    throw new AgentError("ERR_WIRE_BODY", "body is not JSON");
  });
  await delivery.deliver(REPORT, new AbortController().signal);
});

function deliveryOf(call: (...args: unknown[]) => Promise<unknown>): RpcReportDelivery {
  const client = { call } as unknown as Pick<Client, "call">;
  const settings = { service: "fleet", endpoint: "Fleet.Report", timeoutMs: 1000 };
  return new RpcReportDelivery(client, settings);
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
