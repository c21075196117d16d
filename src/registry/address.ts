/**
 * Addresses of nodes, as go-micro writes them: `host:port`, an IPv6 host in brackets (RFC 3986
 * section 3.2.2). Pure; nothing is looked up.
 */
import { isIPv4, isIPv6 } from "node:net";
import { AgentError } from "../base/errors.ts";

export interface NodeAddress {
  /** Host name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Letters, digits, hyphen and underscore; the last is no host name by RFC 1123, but container networks use it. */
const HOST_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
const MAX_HOST_CHARACTERS = 253;

/**
 * Reads `host:port`.
 *
 * @param where What the address belongs to, for the message: `registry.static[2].addresses[0]`.
 * @throws AgentError `ERR_REGISTRY_ADDRESS`; the message names `where`, the text and the fault.
 */
export function parseAddress(text: string, where = "address"): NodeAddress {
  const fault = (reason: string): AgentError =>
    new AgentError("ERR_REGISTRY_ADDRESS", `${where} ${JSON.stringify(text)}: ${reason}`, {
      fields: { where, address: text },
    });
  if (text.includes("://")) throw fault("leave the scheme out; write host:port");
  const bracketed = text.startsWith("[");
  const cut = bracketed ? text.indexOf("]") + 1 : text.lastIndexOf(":");
  if (bracketed && cut === 0) throw fault('"[" is never closed');
  const host = bracketed ? text.slice(1, cut - 1) : text.slice(0, Math.max(0, cut));
  const portText = text.slice(cut + 1);
  if (cut === -1 || (bracketed && cut === text.length)) throw fault("the port is missing");
  if (text[cut] !== ":") throw fault('":" must follow "]"');
  if (bracketed && !isIPv6(host)) throw fault(`${JSON.stringify(host)} is not an IPv6 address`);
  if (!bracketed && isIPv6(text)) throw fault("write an IPv6 address as [address]:port");
  if (!bracketed && host.includes(":")) throw fault("write an IPv6 address as [address]:port");
  if (host === "") throw fault("the host is missing");
  if (!bracketed && !isHostName(host)) throw fault(`${JSON.stringify(host)} is not a host name`);
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) throw fault("the port must be a number from 1 to 65535");
  return { host, port };
}

/** Writes `host:port`, an IPv6 host in brackets. */
export function formatAddress(address: NodeAddress): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

function isHostName(host: string): boolean {
  if (host.length > MAX_HOST_CHARACTERS) return false;
  const labels = host.replace(/\.$/, "").split(".");
  // What ends in a number is meant as an IPv4 address (WHATWG URL, "ends in a number").
  if (/^\d+$/.test(labels.at(-1) ?? "")) return isIPv4(host);
  return labels.every((label) => HOST_LABEL.test(label));
}
