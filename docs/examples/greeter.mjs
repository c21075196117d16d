// @ts-check
// A handler module for microedge: two endpoints of the go-micro handler `Greeter`.
//
//   [[handlers]]
//   module = "greeter.mjs"        # relative to the configuration file
//   service = "greeter"           # leave it out to register under the agent's own service
//
//   microedge call greeter Greeter.Hello '{"name":"ann"}'

/** @param {import("./microedge-handlers.d.ts").HandlerSdk} sdk */
export function register({ unary, stream, schema: s, error, log }) {
  const name = s.pipe(s.string(), s.trim(), s.minLength(1), s.maxLength(64));

  unary("Greeter.Hello", {
    kind: "read",
    request: s.strictObject({ name, language: s.optional(s.picklist(["en", "de"]), "en") }),
    response: s.object({ text: s.string() }),
    handle({ name, language }, call) {
      if (name === "nobody") throw error(404, "there is nobody to greet", "greeter.hello");
      log.info("greeted", { language, peer: call.peer.cn });
      return { text: `${language === "de" ? "Hallo" : "Hello"} ${name}` };
    },
  });

  stream("Greeter.Count", {
    kind: "read",
    request: s.object({ to: s.pipe(s.number(), s.integer(), s.minValue(1), s.maxValue(1000)) }),
    response: s.object({ n: s.number() }),
    async *handle(requests, call) {
      for await (const { to } of requests) {
        for (let n = 1; n <= to && !call.signal.aborted; n++) yield { n };
      }
    },
  });
}
