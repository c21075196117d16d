/** A client on fakes: scripted peers, a clock that is stepped, randomness that repeats. */
import type { LogEvent, LogFields, Logger } from "#src/base/log.ts";
import { StaticRegistry, type StaticService } from "#src/registry/static-registry.ts";
import { Client } from "#src/rpc/client/client.ts";
import type { ClientOptions } from "#src/rpc/client/options.ts";
import { type DialPlan, FakeDialer } from "./dialer.ts";
import type { PeerScript } from "./dialer-peer.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";

export interface FakeClientSetup {
  readonly script?: PeerScript;
  readonly plan?: DialPlan;
  readonly addresses?: readonly string[];
  readonly services?: readonly StaticService[];
  readonly options?: Partial<ClientOptions>;
}

export interface FakeClient {
  readonly client: Client;
  readonly clock: FakeClock;
  readonly dialer: FakeDialer;
  readonly events: { readonly event: LogEvent; readonly fields: LogFields | undefined }[];
}

/** Answers every request with its own body. */
export const echoScript: PeerScript = (request, peer) =>
  peer.json(JSON.parse(String(request.body)));

export function fakeClient(setup: FakeClientSetup = {}): FakeClient {
  const clock = new FakeClock();
  const dialer = new FakeDialer(setup.script ?? echoScript, setup.plan);
  const events: FakeClient["events"] = [];
  const log: Logger = {
    emit: (event, fields) => events.push({ event, fields }),
    enabled: () => true,
    with: () => log,
  };
  const services = setup.services ?? [
    { service: "greeter", addresses: setup.addresses ?? ["127.0.0.1:1001"] },
  ];
  const client = new Client(
    { dialer, registry: new StaticRegistry(services), clock, random: new FakeRandom(), log },
    setup.options,
  );
  return { client, clock, dialer, events };
}
