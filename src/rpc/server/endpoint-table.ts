/**
 * Which endpoints this process serves, by service and `Handler.Method`, and in which codecs.
 *
 * Unlike go-micro, a request for a service that is not served here is refused: stale registry records
 * would otherwise reach the wrong service unnoticed (`docs/wire.md`, "Defects"). A request that names
 * no service is served. The error texts are go-micro's own, where "service" means the part before the
 * dot; go-micro callers match on them.
 */
import { AgentError } from "../../base/errors.ts";
import { CodecTable } from "../../wire/codec/codec-table.ts";
import type { Endpoint } from "../endpoint.ts";

export interface ServedEndpoint {
  readonly service: string;
  /** `Handler.Method`. */
  readonly name: string;
  readonly endpoint: Endpoint;
}

/** A Go identifier that starts upper case is what go-micro registers; we take any word. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$/;
/** A service name is also a DNS label run in go-micro's mDNS registry: no spaces, no control bytes. */
const SERVICE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export class EndpointTable {
  readonly codecs = new CodecTable();
  readonly #ownService: string;
  readonly #services = new Map<string, Map<string, ServedEndpoint>>();

  /** @param ownService Searched first when a request names no service. */
  constructor(ownService: string) {
    this.#ownService = ownService;
  }

  /**
   * Adds an endpoint.
   *
   * @throws AgentError `ERR_HANDLER_MODULE` if a name is ill-formed or the endpoint is already there.
   */
  register(service: string, name: string, endpoint: Endpoint): void {
    if (!SERVICE.test(service)) {
      throw new AgentError(
        "ERR_HANDLER_MODULE",
        `service name "${service}" is not made of letters, digits, dots, dashes and underscores`,
        { fields: { service } },
      );
    }
    if (!NAME.test(name)) {
      throw new AgentError(
        "ERR_HANDLER_MODULE",
        `endpoint name "${name}" is not of the form Handler.Method`,
        { fields: { service, endpoint: name } },
      );
    }
    const endpoints = this.#services.get(service) ?? new Map<string, ServedEndpoint>();
    this.#services.set(service, endpoints);
    if (endpoints.has(name)) {
      throw new AgentError("ERR_HANDLER_MODULE", `${service} already has an endpoint ${name}`, {
        fields: { service, endpoint: name },
      });
    }
    endpoints.set(name, { service, name, endpoint });
  }

  /**
   * The endpoint that serves `name`, or why there is none: `ERR_RPC_NOT_FOUND` or, for a name without
   * exactly one dot or one that several services offer, `ERR_RPC_BAD_REQUEST`. Returned, not thrown:
   * a wrong name is an everyday outcome.
   *
   * @param service `undefined` or empty when the request names none.
   */
  find(service: string | undefined, name: string): ServedEndpoint | AgentError {
    if (service !== undefined && service !== "") {
      const endpoints = this.#services.get(service);
      return (
        endpoints?.get(name) ??
        illFormed(name) ??
        (endpoints === undefined ? notFound("service", service) : missing(endpoints, name))
      );
    }
    return this.#services.get(this.#ownService)?.get(name) ?? illFormed(name) ?? this.#unique(name);
  }

  /** Every endpoint, by service and name. */
  list(): readonly ServedEndpoint[] {
    return [...this.#services.values()]
      .flatMap((endpoints) => [...endpoints.values()])
      .sort((a, b) => compare(a.service, b.service) || compare(a.name, b.name));
  }

  /** The services that have at least one endpoint. */
  services(): readonly string[] {
    return [...this.#services.keys()].sort();
  }

  #unique(name: string): ServedEndpoint | AgentError {
    const found = [...this.#services.values()].flatMap((endpoints) => endpoints.get(name) ?? []);
    const [only, ...more] = found;
    if (only === undefined) {
      const handler = handlerOf(name);
      const known = [...this.#services.values()].some((endpoints) =>
        hasHandler(endpoints, handler),
      );
      return known
        ? notFound("method", name.slice(handler.length + 1))
        : notFound("service", handler);
    }
    if (more.length === 0) return only;
    const services = found.map((each) => each.service).join(", ");
    return new AgentError(
      "ERR_RPC_BAD_REQUEST",
      `${name} is served by ${services}: name one in Micro-Service`,
    );
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function handlerOf(name: string): string {
  return name.slice(0, name.indexOf("."));
}

function hasHandler(endpoints: ReadonlyMap<string, ServedEndpoint>, handler: string): boolean {
  return [...endpoints.keys()].some((name) => handlerOf(name) === handler);
}

/** go-micro splits at dots and wants exactly two parts. */
function illFormed(name: string): AgentError | undefined {
  const parts = name.split(".");
  if (parts.length === 2 && parts[0] !== "" && parts[1] !== "") return undefined;
  return new AgentError(
    "ERR_RPC_BAD_REQUEST",
    `rpc: service/endpoint request ill-formed: ${name.slice(0, 200)}`,
  );
}

function missing(endpoints: ReadonlyMap<string, ServedEndpoint>, name: string): AgentError {
  const handler = handlerOf(name);
  return hasHandler(endpoints, handler)
    ? notFound("method", name.slice(handler.length + 1))
    : notFound("service", handler);
}

function notFound(what: "service" | "method", name: string): AgentError {
  return new AgentError("ERR_RPC_NOT_FOUND", `rpc: can't find ${what} ${name.slice(0, 200)}`);
}
