import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { QueueClient, queueRoutes } from "#src/sidecar/queue-api.ts";
import type { QueueEntryView, QueueOperations } from "#src/sidecar/queue-operations.ts";

const ENTRY: QueueEntryView = {
  ...{ id: "renew-7", kind: "renew", generation: 7, state: "waiting", step: null, object: null },
  ...{
    attempts: 0,
    nextAttemptAt: 5,
    heldBy: null,
    heldUntil: null,
    lastError: null,
    createdAt: 5,
  },
};

/** A client that talks to the routes without a socket, and what was asked. */
function wired(): { readonly client: QueueClient; readonly asked: string[] } {
  const asked: string[] = [];
  const operations: QueueOperations = {
    list: async () => ({ entries: [ENTRY], durable: true, fault: null, healed: [] }),
    retry: async (id) => {
      asked.push(`retry ${id}`);
      return ENTRY;
    },
    drop: async (id) => {
      asked.push(`drop ${id}`);
      return ENTRY;
    },
  };
  const routes = queueRoutes(operations);
  const client = new QueueClient(async (method, path, body = {}) => {
    const route = routes.get(`${method} ${path}`);
    assert.ok(route, `${method} ${path}`);
    return JSON.parse(JSON.stringify(await route(body)));
  });
  return { client, asked };
}

suite("the queue over the control socket", () => {
  test("answers as it does itself", async () => {
    const { client, asked } = wired();
    assert.deepEqual(await client.list(), {
      entries: [ENTRY],
      durable: true,
      fault: null,
      healed: [],
    });
    assert.deepEqual(await client.retry("renew-7"), ENTRY);
    assert.deepEqual(await client.drop("report-1"), ENTRY);
    assert.deepEqual(asked, ["retry renew-7", "drop report-1"]);
  });

  for (const id of [undefined, 7, "", null, ["renew-7"]]) {
    test(`${JSON.stringify(id)} is no id`, async () => {
      const routes = queueRoutes({} as QueueOperations);
      for (const path of ["POST /v1/queue/retry", "POST /v1/queue/drop"]) {
        const route = routes.get(path);
        assert.throws(() => route?.({ id }), { code: "ERR_CONTROL_REQUEST" });
      }
    });
  }
});
