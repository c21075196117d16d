import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError, isAgentError } from "#src/base/errors.ts";
import { EndpointTable } from "#src/rpc/server/endpoint-table.ts";
import { echo } from "./echo-endpoints.ts";

function table(): EndpointTable {
  const made = new EndpointTable("own");
  made.register("own", "A.One", echo);
  made.register("own", "A.Both", echo);
  made.register("greeter", "A.Both", echo);
  made.register("greeter", "B.Two", echo);
  made.register("other", "B.Many", echo);
  made.register("third", "B.Many", echo);
  return made;
}

suite("EndpointTable.find", () => {
  for (const { service, name, found, why } of [
    { service: "own", name: "A.One", found: "own", why: "named service" },
    { service: "greeter", name: "A.Both", found: "greeter", why: "the named one, not the own" },
    { service: undefined, name: "A.Both", found: "own", why: "no service: the own first" },
    { service: "", name: "B.Two", found: "greeter", why: "no service: else the only one" },
  ]) {
    test(`${service} ${name}: ${why}`, () => {
      const served = table().find(service, name);
      assert.ok(!(served instanceof AgentError));
      assert.equal(served.service, found);
      assert.equal(served.name, name);
    });
  }

  for (const { service, name, code, message } of [
    { service: "nobody", name: "A.One", code: 404, message: "rpc: can't find service nobody" },
    { service: "own", name: "C.One", code: 404, message: "rpc: can't find service C" },
    { service: "own", name: "A.Two", code: 404, message: "rpc: can't find method Two" },
    { service: undefined, name: "C.One", code: 404, message: "rpc: can't find service C" },
    { service: undefined, name: "B.Nope", code: 404, message: "rpc: can't find method Nope" },
    {
      service: undefined,
      name: "B.Many",
      code: 400,
      message: "B.Many is served by other, third: name one in Micro-Service",
    },
    ...["One", "A.B.C", ".One", "A.", ".", ""].map((name) => ({
      service: "own",
      name,
      code: 400,
      message: `rpc: service/endpoint request ill-formed: ${name}`,
    })),
    {
      service: "__proto__",
      name: "A.One",
      code: 404,
      message: "rpc: can't find service __proto__",
    },
  ]) {
    test(`${service} ${JSON.stringify(name)}: ${code} ${message}`, () => {
      const refused = table().find(service, name);
      assert.ok(refused instanceof AgentError);
      assert.equal(refused.status, code);
      assert.equal(refused.message, message);
    });
  }

  test("a long name is not repeated whole", () => {
    const refused = table().find("own", `A.${"x".repeat(10_000)}`);
    assert.ok(refused instanceof AgentError);
    assert.ok(refused.message.length < 300);
  });
});

suite("EndpointTable.register", () => {
  for (const { service, name, why } of [
    { service: "own", name: "A.One", why: "already there" },
    { service: "own", name: "One", why: "no dot" },
    { service: "own", name: "A.B.C", why: "two dots" },
    { service: "own", name: "A.é", why: "not a word" },
    { service: "o wn", name: "A.New", why: "a space in the service" },
    { service: "", name: "A.New", why: "no service" },
  ]) {
    test(`refuses ${JSON.stringify(service)} ${name}: ${why}`, () =>
      assert.throws(
        () => table().register(service, name, echo),
        (thrown) => isAgentError(thrown, "ERR_HANDLER_MODULE"),
      ));
  }

  test("lists by service and name", () => {
    const names = table()
      .list()
      .map(({ service, name }) => `${service}/${name}`);
    assert.deepEqual(names, [
      "greeter/A.Both",
      "greeter/B.Two",
      "other/B.Many",
      "own/A.Both",
      "own/A.One",
      "third/B.Many",
    ]);
    assert.deepEqual(table().services(), ["greeter", "other", "own", "third"]);
  });
});
