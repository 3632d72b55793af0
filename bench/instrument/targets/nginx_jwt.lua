-- Is this bearer token good? For nginx: RS256 through libcrypto, verified tokens remembered.
local ffi = require("ffi")
local json = require("cjson.safe")
local base64 = require("ngx.base64")
local lrucache = require("resty.lrucache")

ffi.cdef([[
  void *BIO_new_mem_buf(const void *data, int size);
  void *PEM_read_bio_PUBKEY(void *bio, void *key, void *callback, void *user);
  void *EVP_MD_CTX_new(void);
  void EVP_MD_CTX_free(void *context);
  const void *EVP_sha256(void);
  int EVP_DigestVerifyInit(void *context, void *parameters, const void *digest, void *engine, void *key);
  int EVP_DigestVerify(void *context, const char *signature, size_t signature_size, const char *text, size_t size);
]])
local crypto = ffi.load("crypto")
local Checks = {}
Checks.__index = Checks

function Checks.new(pem, issuer, audience, remembered)
  local file = assert(io.open(pem))
  local text = file:read("*a")
  file:close()
  local key = crypto.PEM_read_bio_PUBKEY(crypto.BIO_new_mem_buf(text, #text), nil, nil, nil)
  assert(key ~= nil, "the key cannot be read")
  local known = assert(lrucache.new(remembered))
  return setmetatable({ key = key, issuer = issuer, audience = audience, known = known }, Checks)
end

local function part(text)
  local bytes = base64.decode_base64url(text)
  return bytes and json.decode(bytes)
end

function Checks:signed(text, signature)
  local context = crypto.EVP_MD_CTX_new()
  local good = crypto.EVP_DigestVerifyInit(context, nil, crypto.EVP_sha256(), nil, self.key) == 1
    and crypto.EVP_DigestVerify(context, signature, #signature, text, #text) == 1
  crypto.EVP_MD_CTX_free(context)
  return good
end

function Checks:verify(token)
  local head, claims, signature = token:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
  if not head then return nil end
  local parsed = part(head)
  local bytes = base64.decode_base64url(signature)
  if not parsed or parsed.alg ~= "RS256" or not bytes then return nil end
  if not self:signed(head .. "." .. claims, bytes) then return nil end
  local said = part(claims)
  if not said or said.iss ~= self.issuer or said.aud ~= self.audience then return nil end
  return type(said.exp) == "number" and { client = said.azp, ends = said.exp } or nil
end

function Checks:check()
  local field = ngx.var.http_authorization
  local token = field and field:sub(1, 7) == "Bearer " and field:sub(8)
  if not token then return ngx.exit(401) end
  local good = self.known:get(token)
  if not good then
    good = self:verify(token)
    if not good then return ngx.exit(401) end
    self.known:set(token, good)
  end
  if good.ends <= ngx.time() then return ngx.exit(401) end
  ngx.var.consumer = good.client
end

return Checks
