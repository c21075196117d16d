/** The agent calls unchanged go-micro services, through its control socket, over mutual TLS 1.3. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { Child, run } from "../fakes/child.ts";
import { FULL } from "../fakes/needs.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { type GoServer, pairOf, startGoServer, VERSIONS } from "./go-peer.ts";

/** Sequential calls on one connection; go-micro's own client loses some of 20,000. */
const CALLS = FULL ? 20_000 : 2_000;

const BIG = 9007199254740993n;
const ECHO = create(EchoSchema, { text: "é \u{1F600}", seq: BIG, data: new Uint8Array([0, 255]) });

/** Calls a service in a row on one connection, as a service developer's code would. */
const PROBE = `
export function register(sdk) {
  const { schema } = sdk;
  sdk.unary("Probe.Run", {
    kind: "read",
    request: schema.object({ calls: schema.number(), workers: schema.number() }),
    response: schema.object({ good: schema.number(), bad: schema.array(schema.string()) }),
    async handle({ calls, workers }) {
      let next = 0;
      let good = 0;
      const bad = [];
      const worker = async () => {
        for (let seq = next++; seq < calls; seq = next++) {
          try {
            const reply = await sdk.client.call("greeter", "Greeter.Hello",
              { first_name: "n" + seq, seq_no: seq }, { timeoutMs: 5000, retries: 0 });
            const text = reply.greetingText ?? reply.greeting_text;
            if (text === "hello n" + seq) good++;
            else bad.push("call " + seq + " got " + JSON.stringify(reply));
          } catch (error) {
            bad.push("call " + seq + ": " + error.message);
          }
        }
      };
      await Promise.all(Array.from({ length: workers }, worker));
      return { good, bad: bad.slice(0, 5) };
    },
  });
}
`;

interface CallJson {
  readonly ok: boolean;
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly remote?: Readonly<Record<string, unknown>>;
  };
}

for (const version of VERSIONS) {
  suite(`the agent calls go-micro ${version}`, () => {
    let site: Site;
    let go: GoServer;
    let agent: AgentProcess;
    before(async () => {
      site = await makeSite();
      const credentials = await pairOf(site);
      go = await startGoServer(version, credentials.peer, "--debug-handler");
      const module = await site.write("probe.mjs", PROBE);
      agent = await startAgent({
        site,
        credentials: credentials.agent,
        config: `[client]\npool_size = 8
[[registry.static]]\nservice = "greeter"\naddresses = ["${go.address}"]
[[handlers]]\nmodule = "${module}"\n`,
      });
    });
    after(async () => {
      await agent.stop();
      await go[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    });

    /** `microedge call greeter … --json`. */
    const call = async (...args: readonly string[]): Promise<CallJson> => {
      const { stdout, stderr } = await agent.microedge("call", "greeter", ...args, "--json");
      assert.equal(stderr, "");
      return JSON.parse(stdout) as CallJson;
    };
    const greeting = async (...args: readonly string[]): Promise<string> => {
      const { body, error } = await call(...args);
      assert.ok(body !== undefined, error?.message);
      const reply = JSON.parse(body);
      return String(reply.greetingText ?? reply.greeting_text);
    };

    for (const codec of ["json", "json-rpc"]) {
      test(`${codec}: a message comes back exactly, 64-bit number included`, async () => {
        const message = `{"text":"é \u{1F600}","seq":${codec === "json" ? `"${BIG}"` : BIG},"data":"AP8="}`;
        const { body = "", error } = await call("Agent.Echo", message, "--codec", codec);
        assert.equal(error, undefined);
        const { text, data } = JSON.parse(body);
        assert.deepEqual([text, data], ["é \u{1F600}", "AP8="]);
        assert.match(body, new RegExp(`"seq": ?"?${BIG}"?[,}]`));
      });
    }

    for (const codec of ["protobuf", "proto-rpc"]) {
      test(`${codec}: a message comes back exactly`, async () => {
        const message = Buffer.from(toBinary(EchoSchema, ECHO)).toString("base64");
        const { bodyBase64 = "", error } = await call(
          ...["Agent.Echo", message, "--base64", "--codec", codec],
        );
        assert.equal(error, undefined);
        const reply = new Uint8Array(Buffer.from(bodyBase64, "base64"));
        assert.deepEqual(fromBinary(EchoSchema, reply), ECHO);
      });
    }

    for (const codec of ["json", "protobuf", "json-rpc", "proto-rpc"]) {
      const as = ["--codec", codec] as const;

      test(`${codec}: a typed error arrives with its four fields`, async () => {
        const { ok, error } = await call("Greeter.Fail", ...as);
        assert.equal(ok, false);
        assert.deepEqual(error?.remote, {
          id: "greeter.fail",
          code: 404,
          detail: "no such ",
          status: "Not Found",
        });
      });

      test(`${codec}: an unknown method is a 404 that names it`, async () => {
        const { error } = await call("Greeter.Nope", ...as);
        assert.equal(error?.remote?.["code"], 404);
        assert.match(String(error?.remote?.["detail"]), /Nope/);
      });
    }

    test("an untyped error is a 500 with its text", async () => {
      const { error } = await call("Greeter.Plain", '{"first_name":"ann"}');
      assert.deepEqual(error?.remote, {
        id: "",
        code: 500,
        detail: "plain failure for ann",
        status: "Internal Server Error",
      });
    });

    test("a panic, which go-micro never answers, ends at our deadline; the next call is served", async () => {
      const { error } = await call("Greeter.Panic", "{}", "--timeout", "700ms");
      assert.equal(error?.code, "ERR_RPC_DEADLINE");
      assert.equal(await greeting("Greeter.Hello", '{"first_name":"next"}'), "hello next");
    });

    test("the deadline goes along: the handler sees it", async () => {
      const text = await greeting("Greeter.Headers", "{}", "--timeout", "3s");
      const left = Number(/^deadline_ms=(\d+)$/m.exec(text)?.[1]);
      assert.ok(left > 1_000 && left <= 3_000, text);
    });

    test("a slow handler is given up at the deadline", async () => {
      const { error } = await call("Greeter.Slow", '{"seq_no":"20000"}', "--timeout", "300ms");
      assert.equal(error?.code, "ERR_RPC_DEADLINE");
      assert.match(error.message, /Greeter\.Slow/);
    });

    test("metadata goes out, and comes back to nobody, though go-micro copies it into later replies", async () => {
      const secret = [
        "--metadata",
        "authorization=secret1",
        "--metadata",
        "x-site=roof 7",
      ] as const;
      // On every pooled connection, whichever the later call gets.
      for (let n = 0; n < 3; n++) {
        const seen = await greeting("Greeter.Headers", "{}", ...secret);
        assert.match(seen, /^Authorization=secret1$/m);
        assert.match(seen, /^X-Site=roof 7$/m);
      }
      const later = await call("Greeter.Headers", "{}");
      assert.doesNotMatch(JSON.stringify(later), /secret1|roof 7/);
    });

    test("Debug.Health answers ok", async () => {
      assert.deepEqual(JSON.parse((await call("Debug.Health")).body ?? ""), { status: "ok" });
    });

    test("1 MiB comes back", async () => {
      const data = Buffer.alloc(1 << 20, 0xa5).toString("base64");
      const file = await site.write("big.json", `{"data":"${data}"}`);
      const command = `"$0" call greeter Agent.Echo - --config "$1" < "$2"`;
      const { code, stdout, stderr } = await run([
        "sh",
        "-c",
        command,
        BUNDLE,
        agent.configPath,
        file,
      ]);
      assert.equal(code, 0, stderr);
      assert.ok(JSON.parse(stdout).data === data);
    });

    /**
     * `microedge call --stream`, each message sent when the reply to the one before is there: a
     * go-micro service that sends twice in a row may overwrite the first with the second.
     */
    const chat = async (codec: string, names: readonly string[]) => {
      const command = ["call", "greeter", "Greeter.Chat", "--stream", "--codec", codec] as const;
      const child = new Child([BUNDLE, ...command, "--config", agent.configPath]);
      for (const [n, name] of names.entries()) {
        child.write(`{"first_name":"${name}"}\n`);
        if (name.startsWith("n")) await child.until("a reply", () => child.stdout.length > n);
      }
      child.endInput();
      const { code, stderr } = await child.ended;
      const texts = child.stdout.map((line) => {
        const reply = JSON.parse(line);
        return String(reply.greetingText ?? reply.greeting_text);
      });
      return { code, stderr, texts };
    };

    for (const codec of ["json", "json-rpc"]) {
      test(`${codec}: a chat ended by the service`, async () => {
        const { code, stderr, texts } = await chat(codec, ["n0", "n1", "bye"]);
        assert.equal(stderr, "");
        assert.equal(code, 0);
        assert.deepEqual(texts, ["chat n0", "chat n1"]);
      });

      test(`${codec}: a chat that fails`, async () => {
        // Often enough that the error meets the end of our input on its way.
        for (let n = 0; n < 5; n++) {
          const { code, stderr, texts } = await chat(codec, ["n0", "fail"]);
          assert.equal(code, 1, stderr);
          assert.match(stderr, /500.*chat failed.*greeter\.chat/);
          assert.deepEqual(texts, ["chat n0"]);
        }
      });
    }

    test("a chat of 20, ended by us: go-micro never confirms that, and we say so", async () => {
      const names = Array.from({ length: 20 }, (_, n) => `n${n}`);
      const { stderr, texts } = await chat("json", names);
      assert.deepEqual(
        texts,
        names.map((name) => `chat ${name}`),
      );
      assert.match(stderr, /a go-micro service never does/);
    });

    test("--address calls a service that no registry knows", async () => {
      const { code, stdout, stderr } = await agent.microedge(
        ...["call", "greeter", "Greeter.Hello", '{"first_name":"you"}', "--address", go.address],
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /hello you/);
    });

    for (const workers of [1, 8]) {
      test(`${CALLS} calls on ${workers} connection(s): none lost, none mixed up`, async () => {
        const { code, stdout, stderr } = await agent.microedge(
          ...["call", "microedge", "Probe.Run", JSON.stringify({ calls: CALLS, workers })],
          ...["--timeout", "5m"],
        );
        assert.equal(code, 0, stderr);
        assert.deepEqual(JSON.parse(stdout), { good: CALLS, bad: [] });
      });
    }
  });
}
