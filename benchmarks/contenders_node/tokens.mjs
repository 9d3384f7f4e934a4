// Checking a customer's token as somebody does who writes a server by hand: the signature once, the expiry every time.
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const REMEMBERED_MAX = 10_000;
const { JWKS_FILE, JWT_ISSUER, JWT_AUDIENCE, JWT_CLAIM } = process.env;
const [jwk] = JSON.parse(readFileSync(JWKS_FILE, "utf8")).keys;
const key = createPublicKey({ key: jwk, format: "jwk" });
const known = new Map();

/** The claims of a bearer token that is signed, meant for us and not over; null for any other. */
export function claimsOf(authorization = "") {
  const claims = known.get(authorization) ?? read(authorization);
  return claims && claims.exp > Date.now() / 1000 ? claims : null;
}

export const accountKeyOf = (claims) => claims?.[JWT_CLAIM] ?? null;

function read(authorization) {
  const [head, payload, signature] = authorization.replace(/^Bearer /, "").split(".");
  if (!signature) return null;
  if (!verify(null, Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, "base64url"))) return null;
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  if (claims.iss !== JWT_ISSUER || claims.aud !== JWT_AUDIENCE) return null;
  if (known.size >= REMEMBERED_MAX) known.clear();
  known.set(authorization, claims);
  return claims;
}
