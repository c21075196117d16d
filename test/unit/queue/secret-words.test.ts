import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { keptError } from "#src/queue/kept-error.ts";
import { withoutSecrets } from "#src/queue/secret-words.ts";

const HEX = createHash("sha256").update("a key").digest("hex");
const BASE64 = createHash("sha256").update("a key").digest("base64");
const JWT =
  "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyb29mLTcifQ.MEUCIQDx-_8e0Xq2h3n4b5v6c7x8z9a0s1d2f3g4h5j6";

const STAYS: readonly { readonly text: string; readonly why: string }[] = [
  { why: "a path", text: "can't write /var/lib/microedge/store/queue/intents: EROFS" },
  { why: "a long path", text: "can't read /media/usb/certificates/trust-updates-for-roofs.jsonl" },
  { why: "a relative path", text: "./configuration/certificates/root_authority.pem is missing" },
  { why: "a path of Windows", text: "C:/ProgramData/microedge/store/configuration is full" },
  { why: "a URL", text: "https://ca.example:9000/1.0/renew answered 503" },
  { why: "a URL with a long path", text: "GET https://ca.example/.well-known/est/simplereenroll" },
  { why: "a host name", text: "certificate-authority.production.fleet.example: no answer" },
  { why: "an address", text: "connect ECONNREFUSED 192.168.178.20:9000" },
  { why: "an IPv6 address", text: "connect to [2001:db8:0:0:0:ff00:42:8329]:443 timed out" },
  {
    why: "a constant of OpenSSL",
    text: "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED from the authority",
  },
  { why: "a long constant of Node", text: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
  { why: "a name in humps", text: "disableIssuedCheckForProvisioner is off" },
  { why: "a word with hyphens", text: "client-certificate-revoked-by-operator" },
  { why: "a number of a request", text: "request cq1v2k8t9m4s73f0abcd of the authority" },
  { why: "a SPIFFE ID", text: "spiffe://fleet.example/device/roof-7 is not served" },
  { why: "a moment", text: "it ends 2026-11-22T19:05:00Z, in 30 days" },
  { why: "a moment in ms", text: "by 1780272000000 at the latest" },
  { why: "a token that is only spoken of", text: "the token: it was refused (401); make another" },
  { why: "a question", text: "is the authority there? renew = true" },
];

const GOES: readonly {
  readonly text: string;
  readonly why: string;
  readonly kept: string;
}[] = [
  { why: "hexadecimal", text: `key ${HEX}`, kept: "key [left out]" },
  { why: "half of it", text: `key ${HEX.slice(0, 32)}`, kept: "key [left out]" },
  {
    why: "in capitals with colons",
    text: `key ${(HEX.toUpperCase().match(/../g) ?? []).join(":")}.`,
    kept: "key [left out].",
  },
  { why: "base64", text: `key ${BASE64}`, kept: "key [left out]" },
  {
    why: "base64 with slashes",
    text: "key 3q2+7/Zm9v/YmFy8J+Yg/9n0pA/kQ==",
    kept: "key [left out]",
  },
  {
    why: "base64 that begins like a path",
    text: "key /q2x7Zm9vYmFy8JYg9n0p/kQ5tRz81b",
    kept: "key [left out]",
  },
  { why: "128 bits of base64", text: "q83vEjRWeJCrze8SNFZ4kA==", kept: "[left out]" },
  { why: "base64url", text: "a-8_Qx3rT-yU7iOp_2sDfGhJkL", kept: "[left out]" },
  { why: "base32", text: "JBSWY3DPEHPK3PXPJBSWY3DP", kept: "[left out]" },
  { why: "small letters that are no word", text: "qwmznxbcvalskdjfhgpwoei", kept: "[left out]" },
  { why: "a JWT", text: `token ${JWT} spent`, kept: "token [left out] spent" },
  { why: "a short one", text: "eyJhbGciOiJub25lIn0.e30.", kept: "[left out]" },
  {
    why: "a UUID",
    text: "session 123e4567-e89b-12d3-a456-426614174000",
    kept: "session [left out]",
  },
  {
    why: "userinfo in a URL",
    text: "https://roof:hunter2@ca.example/1.0/renew: 401",
    kept: "https://[left out]@ca.example/1.0/renew: 401",
  },
  {
    why: "a user alone",
    text: "https://ghp12345@ca.example/",
    kept: "https://[left out]@ca.example/",
  },
  {
    why: "a query",
    text: "GET https://ca.example/sign?ott=abc&x=1 failed",
    kept: "GET https://ca.example/sign?[left out] failed",
  },
  {
    why: "a fragment",
    text: "https://ca.example/#access_token=abc",
    kept: "https://ca.example/#[left out]",
  },
  { why: "a query without a URL", text: "POST /sign?ott=abc", kept: "POST /sign?[left out]" },
  {
    why: "a token in the path of a URL",
    text: "https://hooks.example/T024BE7LD/XpQ7vR2mNk9sTb4w",
    kept: "https://hooks.example/T024BE7LD/[left out]",
  },
  {
    why: "userinfo of a proxy",
    text: "proxy roof:hunter2@10.0.0.1:3128 refused",
    kept: "proxy [left out]@10.0.0.1:3128 refused",
  },
  {
    why: "a header",
    text: "sent Authorization: Bearer abc.def",
    kept: "sent Authorization: Bearer [left out]",
  },
  { why: "basic", text: "Basic cm9vZjpodW50ZXIy", kept: "Basic [left out]" },
  {
    why: "an assignment",
    text: "password=hunter2 was wrong",
    kept: "password=[left out] was wrong",
  },
  { why: "another", text: "client_secret = hunter2", kept: "client_secret = [left out]" },
  {
    why: "a digest at the end of a path",
    text: `/var/lib/microedge/store/generation-${HEX}.tmp: EIO`,
    kept: "/var/lib/microedge/store/[left out].tmp: EIO",
  },
  {
    why: "PEM, to the end",
    text: "was -----BEGIN EC PRIVATE KEY-----\nMHc",
    kept: "was [PEM left out]",
  },
];

suite("what is kept of a sentence", () => {
  for (const { text, why } of STAYS) {
    test(`stays: ${why}`, () => assert.equal(withoutSecrets(text), text));
  }
  for (const { text, why, kept } of GOES) {
    test(`goes: ${why}`, () => {
      assert.equal(withoutSecrets(text), kept);
      assert.equal(keptError(new AgentError("ERR_INTERNAL", text)), `ERR_INTERNAL: ${kept}`);
    });
  }

  test("no key of any form comes through, wherever it stands", () => {
    for (let seed = 0; seed < 2000; seed++) {
      const bytes = createHash("sha512")
        .update(String(seed))
        .digest()
        .subarray(0, 16 + (seed % 40));
      for (const form of ["hex", "base64", "base64url"] as const) {
        const key = bytes.toString(form);
        for (const text of [key, `a (${key}) b`, `x/${key}`, `at /etc/${key}/x`]) {
          const kept = withoutSecrets(text);
          for (let at = 0; at + 12 <= key.length; at++) {
            assert.ok(!kept.includes(key.slice(at, at + 12)), `${text}: ${kept}`);
          }
        }
      }
    }
  });
});
