#!/usr/bin/env bash
# Debian's glewlwyd, as somebody else's authorization server.
#
#   glewlwyd.sh serve FOLDER PORT PKI   runs it, with its files in FOLDER
#   glewlwyd.sh fill FOLDER PORT PKI    gives it an issuer, a scope and two clients
set -euo pipefail
step=$1 folder=$2 port=$3 pki=$4
base=https://127.0.0.1:$port/api
modules=/usr/lib/glewlwyd

serve() {
    mkdir -p "$folder/none"
    python3 -c 'import sqlite3, sys
sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())' \
        "$folder/db" /usr/share/dbconfig-common/data/glewlwyd/install/sqlite3
    cat >"$folder/conf" <<TEXT
port=$port
bind_address="127.0.0.1"
external_url="https://127.0.0.1:$port"
login_url="login.html"
api_prefix="api"
static_files_path="/usr/share/glewlwyd/webapp/"
log_mode="console"
log_level="INFO"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
session_expiration=3600
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="$modules/user"
user_middleware_module_path="$folder/none"
client_module_path="$modules/client"
user_auth_scheme_module_path="$modules/scheme"
plugin_module_path="$modules/plugin"
use_secure_connection=true
secure_connection_key_file="$pki/provider.key"
secure_connection_pem_file="$pki/provider.pem"
hash_algorithm="SHA512"
database={type="sqlite3" path="$folder/db"};
TEXT
    exec glewlwyd --config-file="$folder/conf"
}

# say PATH JSON: posts as the administrator of a new installation.
say() {
    curl --silent --show-error --fail-with-body --insecure --cookie "$folder/jar" --cookie-jar "$folder/jar" \
        --header 'Content-Type: application/json' --data "$2" "$base/$1"
}

fill() {
    say auth/ '{"username":"admin","password":"password"}'
    openssl ecparam -genkey -name prime256v1 -noout -out "$folder/ec.key"
    openssl pkcs8 -topk8 -nocrypt -in "$folder/ec.key" -out "$folder/key.pem"
    openssl ec -in "$folder/ec.key" -pubout -out "$folder/public.pem" 2>"$folder/openssl.log"
    say mod/plugin/ "$(python3 -c 'import json, sys
print(json.dumps({"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": {
    "iss": sys.argv[2], "jwt-type": "ecdsa", "jwt-key-size": "256",
    "key": open(sys.argv[1] + "/key.pem").read(), "cert": open(sys.argv[1] + "/public.pem").read(),
    "access-token-duration": 600, "refresh-token-duration": 3600, "code-duration": 60,
    "refresh-token-rolling": False, "allow-non-oidc": True, "auth-type-code-enabled": True,
    "auth-type-token-enabled": False, "auth-type-id-token-enabled": True,
    "auth-type-none-enabled": False, "auth-type-password-enabled": False,
    "auth-type-client-enabled": True, "auth-type-refresh-enabled": True,
    "introspection-revocation-allowed": True, "introspection-revocation-allow-target-client": True,
    "jwks-show": True, "jwks-x5c": [], "subject-type": "public", "scope": [],
    "additional-parameters": [], "claims": [], "register-client-allowed": False,
    "session-management-allowed": False}}))' "$folder" "$base/oidc")"
    say scope/ '{"name":"read","display_name":"read","description":"read","password_required":false,"scheme":{}}'
    say client/ '{"client_id":"shop","client_name":"shop","client_secret":"shop-secret-of-a-test",
        "confidential":true,"enabled":true,"authorization_type":["client_credentials"],
        "token_endpoint_auth_method":["client_secret_basic"],"scope":["read"],"redirect_uri":[]}'
}

"$step"
