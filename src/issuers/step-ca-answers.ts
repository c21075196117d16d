/** step-ca's JSON answers, read strictly and without trust. Pure. */
import { isAgentError } from "../base/errors.ts";
import { IssuerError } from "../identity/issuer.ts";
import { splitPem } from "../identity/pem.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import type { IssuerReply } from "../transport/issuer-reply.ts";

/** Leaf, issuers, cross-signed roots: a chain of more is none of step-ca's. */
const MAX_CERTIFICATES = 16;

/** The chain of a `/sign`, `/renew` or `/rekey`, leaf first, each PEM. @throws IssuerError `answer`. */
export function readSigned(reply: IssuerReply, where: string): readonly string[] {
  const { certChain, crt, ca } = members(reply, where, true);
  const chain = Array.isArray(certChain) ? certChain : [crt, ca];
  return texts(chain, reply, where, true);
}

/** `{"crts": [PEM, ...]}` of `/roots`. @throws IssuerError `answer`. */
export function readCertificates(reply: IssuerReply, where: string): readonly Certificate[] {
  const { crts } = members(reply, where, false);
  return texts(crts, reply, where, false).map((pem) => read(pem, reply, where));
}

/** `{"ca": PEM}` of `/root/{fingerprint}`. @throws IssuerError `answer`. */
export function readRoot(reply: IssuerReply, where: string): Certificate {
  const { ca } = members(reply, where, false);
  const [pem = ""] = texts([ca], reply, where, false);
  return read(pem, reply, where);
}

function members(reply: IssuerReply, where: string, made: boolean): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(reply.body.toString("utf8"));
  } catch {
    // Node's message would quote the body.
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const type = /^[a-z0-9.+-]+\/[a-z0-9.+-]+$/.test(reply.contentType)
    ? reply.contentType
    : "no type";
  throw bad(`is not the JSON of step-ca (${type}, ${reply.body.length} bytes)`, reply, where, made);
}

function texts(
  value: unknown,
  reply: IssuerReply,
  where: string,
  made: boolean,
): readonly string[] {
  const list = Array.isArray(value) ? value : [];
  const good = list.length > 0 && list.length <= MAX_CERTIFICATES;
  if (!good || !list.every((each): each is string => typeof each === "string" && isOne(each))) {
    throw bad("does not hold the certificates that it should", reply, where, made);
  }
  return list;
}

function isOne(pem: string): boolean {
  const blocks = splitPem(pem);
  return blocks.length === 1 && blocks[0]?.label === "CERTIFICATE";
}

function read(pem: string, reply: IssuerReply, where: string): Certificate {
  try {
    return parseCertificate(pem);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    throw bad(`holds what is no certificate: ${error.message}`, reply, where, false);
  }
}

function bad(what: string, reply: IssuerReply, where: string, lostAnswer: boolean): IssuerError {
  const { requestId } = reply;
  const words = `${where}: the answer ${what}`;
  return new IssuerError("ERR_ISSUER_ANSWER", { reason: "answer", words, requestId, lostAnswer });
}
