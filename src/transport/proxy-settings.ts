/**
 * An HTTP proxy from its URL, and which targets go past it. Pure. The password never leaves the
 * settings: messages show the proxy as `host:port`.
 */
import { BlockList, isIP } from "node:net";
import { AgentError } from "../base/errors.ts";

export interface ProxySettings {
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization`; `undefined` without user in the URL. */
  readonly authorization: string | undefined;
  /** Targets that are dialled directly. */
  readonly noProxy: readonly string[];
}

/** Port of an `http://` URL that names none. */
const DEFAULT_PORT = 80;

/**
 * Reads `http://[user:password@]host[:port]` and a list as in `NO_PROXY` (`*`, names with or without
 * leading dot, addresses, CIDR ranges, each with an optional port).
 *
 * @throws AgentError `ERR_CONFIG_INVALID`.
 */
export function parseProxy(url: string, noProxy: readonly string[] = []): ProxySettings {
  // The text is not repeated in messages: it may hold a password.
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === "") {
    throw new AgentError("ERR_CONFIG_INVALID", "the proxy is not a URL like http://proxy:3128");
  }
  if (parsed.protocol !== "http:") {
    const words = `the proxy's scheme is ${parsed.protocol.slice(0, -1)}; only http:// proxies are supported`;
    throw new AgentError("ERR_CONFIG_INVALID", words);
  }
  const user = decodeURIComponent(parsed.username);
  const password = decodeURIComponent(parsed.password);
  const credentials = Buffer.from(`${user}:${password}`).toString("base64");
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: parsed.port === "" ? DEFAULT_PORT : Number(parsed.port),
    authorization: user === "" ? undefined : `Basic ${credentials}`,
    noProxy: noProxy.map((entry) => entry.trim().toLowerCase()).filter((entry) => entry !== ""),
  };
}

/** Whether a target is dialled past the proxy. */
export function bypassesProxy({ noProxy }: ProxySettings, host: string, port: number): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return noProxy.some((entry) => entryMatches(entry, name, port));
}

function entryMatches(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return inRange(entry, host);
  const bare = entry.replace(/^\[|\]$/g, "");
  if (isIP(bare) !== 0) return bare === host;
  const [, name = "", wantedPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
  if (wantedPort !== undefined && Number(wantedPort) !== port) return false;
  const suffix = name.replace(/^\*?\./, "");
  return host === suffix || (isIP(host) === 0 && host.endsWith(`.${suffix}`));
}

function inRange(entry: string, host: string): boolean {
  const [network = "", bits = ""] = entry.split("/");
  const [kind, hostKind] = [isIP(network), isIP(host)];
  if (kind === 0 || kind !== hostKind || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (kind === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = kind === 4 ? "ipv4" : "ipv6";
  list.addSubnet(network, Number(bits), type);
  return list.check(host, type);
}
