import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parsePattern, patternFault } from "#src/guard/acl-pattern.ts";

suite("endpoint patterns", () => {
  const rows = [
    { pattern: "microedge/Agent.Echo", name: "microedge/Agent.Echo", yes: true, why: "itself" },
    {
      pattern: "microedge/Agent.Echo",
      name: "microedge/Agent.EchoX",
      yes: false,
      why: "all of it",
    },
    {
      pattern: "microedge/Agent.Echo",
      name: "microedge/agent.echo",
      yes: false,
      why: "case counts",
    },
    { pattern: "microedge/Agent.Echo", name: "other/Agent.Echo", yes: false, why: "other service" },
    {
      pattern: "microedge/Debug.*",
      name: "microedge/Debug.Health",
      yes: true,
      why: "a whole part",
    },
    { pattern: "microedge/Debug.*", name: "microedge/Debugger.Run", yes: false, why: "dot stands" },
    { pattern: "microedge/*.Get*", name: "microedge/Key.GetAll", yes: true, why: "inside parts" },
    { pattern: "microedge/*.Get*", name: "microedge/Key.Get", yes: true, why: "* may be empty" },
    {
      pattern: "microedge/*.Get*",
      name: "microedge/Key.Forget",
      yes: false,
      why: "from its start",
    },
    {
      pattern: "micro*/Agent.Echo",
      name: "microedge/Agent.Echo",
      yes: true,
      why: "in the service",
    },
    { pattern: "go.*/A.B", name: "go.micro.srv/A.B", yes: true, why: "a service may have dots" },
    { pattern: "microedge/*", name: "microedge/Any.Thing", yes: true, why: "all of a service" },
    {
      pattern: "micro/*",
      name: "microedge/Any.Thing",
      yes: false,
      why: "not of its longer namesake",
    },
    { pattern: "*/*", name: "x/Y.Z", yes: true, why: "everything" },
    { pattern: "*/*", name: "x/Y", yes: false, why: "what is no endpoint is not matched" },
    { pattern: "s/ab*ba.M", name: "s/aba.M", yes: false, why: "head and tail may not overlap" },
    { pattern: "s/a*b*b.M", name: "s/ab.M", yes: false, why: "each letter is used once" },
    { pattern: "s/a*b*b.M", name: "s/axbyb.M", yes: true, why: "pieces in order" },
  ];
  for (const { pattern, name, yes, why } of rows) {
    test(`${pattern} ${yes ? "matches" : "does not match"} ${name}: ${why}`, () => {
      assert.equal(patternFault(pattern), undefined);
      const [service = "", endpoint = ""] = name.split("/");
      assert.equal(parsePattern(pattern).matches({ service, endpoint }), yes);
    });
  }

  for (const { pattern, fault, why } of [
    { pattern: "", fault: /form/, why: "empty" },
    { pattern: "Agent.Echo", fault: /form/, why: "no service" },
    { pattern: "a/b/C.D", fault: /form/, why: "two slashes" },
    { pattern: "/Agent.Echo", fault: /service/, why: "empty service" },
    { pattern: "micro edge/A.B", fault: /service/, why: "a space" },
    { pattern: "microedge/Agent", fault: /Handler\.Method/, why: "no method" },
    { pattern: "microedge/Agent.", fault: /Handler\.Method/, why: "empty method" },
    { pattern: "microedge/A.B.C", fault: /Handler\.Method/, why: "two dots" },
    { pattern: "microedge/", fault: /Handler\.Method/, why: "empty endpoint" },
    { pattern: "microedge/A?.B", fault: /Handler\.Method/, why: "? is no wildcard" },
    { pattern: "*/*a*b*.*c", fault: /4 stars/, why: "too many stars" },
    { pattern: "microedge/Agent.Echo\n", fault: /Handler\.Method/, why: "a line end" },
  ]) {
    test(`${JSON.stringify(pattern)} is refused: ${why}`, () =>
      assert.match(patternFault(pattern) ?? "", fault));
  }

  test("a pattern matches what a regular expression made of it matches", () => {
    const part = fc.string({ unit: fc.constantFrom("a", "b", "*"), minLength: 1, maxLength: 4 });
    const word = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 3 });
    let matched = 0;
    fc.assert(
      fc.property(part, part, part, word, word, word, (s, h, m, service, handler, method) => {
        const pattern = `${s}/${h}.${m}`;
        fc.pre(patternFault(pattern) === undefined);
        const escaped = pattern.replaceAll(".", "\\.").replaceAll("*", "[^./]*");
        const expected = new RegExp(`^${escaped}$`).test(`${service}/${handler}.${method}`);
        const endpoint = `${handler}.${method}`;
        assert.equal(parsePattern(pattern).matches({ service, endpoint }), expected);
        if (expected) matched += 1;
      }),
      { numRuns: 3_000 },
    );
    // About 70 of the 3,000 that are drawn anew each time.
    assert.ok(matched > 25, `only ${matched} matched`);
  });
});
