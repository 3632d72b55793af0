# What do ./run and ./test need before cargo can build, and where do they keep it?
#
# Sourced by both; works on a fresh Debian 12 machine that has only git, curl, a C compiler and
# Rust. Every function says what it does, does nothing when there is nothing to do, and leaves no
# half-written file behind: things are fetched into a folder aside, checked, and then renamed.
#
#   need_packages [NAME...]  the Debian packages that the build needs, and those named
#   need_duckdb              libduckdb.so, the query engine of the analytics collector
#   need_geo                 the free country database, afterwards in $geo_database; a failure is a
#                            warning and leaves $geo_database empty
#   need_h2spec              the HTTP/2 test program, afterwards in $TURNPIKE_H2SPEC; without a Go
#                            that can build it, a warning, and the variable stays empty
#   need_cache_tests         the suite for HTTP caches, afterwards in $TURNPIKE_HTTP_CACHE_TESTS; a failure
#                            is a warning, and the variable stays empty
#   need_autobahn            Autobahn's WebSocket cases and an echo server for them, afterwards in
#                            $TURNPIKE_AUTOBAHN; a failure is a warning, and the variable stays empty
#   need_oauth_clients       OAuth 2 clients that others wrote, for node and Python, afterwards in
#                            $TURNPIKE_OAUTH_CLIENTS; a failure is a warning, and the variable stays empty
#   need_oidc_provider       npm's oidc-provider, the certified OpenID Provider that the conformance modules
#                            are tried on, afterwards in $TURNPIKE_OIDC_PROVIDER; a failure is a warning,
#                            and the variable stays empty
#   need_glewlwyd            Debian's glewlwyd, somebody else's authorization server; a failure is a warning
#   need_keycloak            Keycloak, afterwards in $TURNPIKE_KEYCLOAK; a failure is a warning, and the
#                            variable stays empty
#   need_grpc_interop        the client and the server of the gRPC interop cases, afterwards in
#                            $TURNPIKE_GRPC_INTEROP; without a Go that can build them, a warning, and
#                            the variable stays empty
#   need_opa                 Open Policy Agent, afterwards in $TURNPIKE_OPA; without a Go that can
#                            build it, a warning, and the variable stays empty
#   need_testssl             testssl.sh, afterwards in $TURNPIKE_TESTSSL; a failure is a warning, and
#                            the variable stays empty
#   need_schemathesis        schemathesis, which tries every operation of the REST API, afterwards in
#                            $TURNPIKE_SCHEMATHESIS; a failure is a warning, and the variable stays empty
#   need_chdb                ClickHouse as a library for Python, afterwards in $TURNPIKE_CHDB; a failure is
#                            a warning, and the variable stays empty
#   build_environment        exports CARGO_TARGET_DIR, DUCKDB_LIB_DIR and LD_LIBRARY_PATH
#   beside_binaries FOLDER   puts libduckdb.so beside the built programs
#
# shellcheck shell=bash

turnpike_cache=${XDG_CACHE_HOME:-$HOME/.cache}/turnpike
turnpike_duckdb=$turnpike_cache/duckdb
turnpike_geo=$turnpike_cache/geo
geo_database=

# The npm package is MIT; the library inside is built by the DuckDB project.
duckdb_package='@duckdb/node-bindings-linux-x64@1.5.6-r.1'
duckdb_sha512='21772b64913a904a8cd19e30c1d5671811d7fdface4b7dd53cd0300d743f43e16cf386f4e7c41ef78721ac208870d2651bc6375072145387817824315b998dd5'
duckdb_library_sha256='3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633'

# Country by address, from the registries' own files. Its package.json says CC0-1.0 and its licence
# file CC BY 4.0; the stricter one is kept: whoever shows results names the source.
geo_package='@ip-location-db/geo-whois-asn-country-mmdb@2.3.2026061719'
geo_attribution='Countries: data of the Regional Internet Registries, CC BY 4.0, by the Number Resource Organization (https://www.nro.net)'
geo_sha512='c5e9810cd425e260980ee55ba9ede32862ac543ca464691fbde6e1b4e87fdd518b69dabcbeca7bb7ba27b69314b77847eec0064f478b0f227df5257ed306b166'
geo_database_sha256='c5f7c0e9bd6a6ccb5a2e9634764544a0d08bd0bd8788b8aedfac87bea184c652'

# Apache-2.0. It takes Java 17.
keycloak_version=26.7.3
keycloak_sha512='15c764765576eef267cf15cc5225a5826b5394a25a83d9bfa5b8544e4bbba690cb743c9d384200b93bb71ee4c4a328e1dd8c0a00f822fd3e6e154f14b1e47216'

# MIT.
h2spec_module='github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible'

# Apache-2.0. Both of one version: the client knows what the server answers.
grpc_interop_module='google.golang.org/grpc/interop'
grpc_interop_version='v1.84.0'

# Apache-2.0.
opa_module='github.com/open-policy-agent/opa@v1.22.3'

# Autobahn's own runner takes Python 2, which Debian 12 no longer has. This one is MIT and runs
# Autobahn's case files, which are Apache-2.0 and inside, under Python 3.
autobahn_wheel='kosoku==0.1.0 --hash=sha256:a9b34e593defe29d931e346c88947b58a015495f09dd13643e4cc952c75602ac'
# MIT.
autobahn_echo='ws@8.23.0 c029265fc40c3ab2a380ef075b65b20db4d219eaa4a1cc600f34bd891efdac401ec6dcbaff6ab38a5c77020f13a9ff72928a778ab2ca95ed0cb559f9aa3567a1 lib index.js package.json LICENSE'

# http-cache-tests is BSD-3-Clause; the others are MIT and BSD-2-Clause.
cache_test_packages=(
    'http-cache-tests@0.4.5 0e3bb037d9d46572d35bec1abf52d1112099355c65f12b21c0ecb8cf5a71b966d6b79fdacbab0cf5043595e6c16833ba3f520c0682ba99d7fe3ee54ffd034bf0 client lib server tests package.json LICENSE'
    'node-fetch@2.7.0 7381517d49bf75b71667b53ed56ab40300b214bfb79edd9b130d39c1fc52cfe0d6a56b22b609928189b2d9d41d5b2282d7af7810b3ea32cfd8cd448da332edf0 lib package.json LICENSE.md'
    'whatwg-url@5.0.0 b1a139ee7ba9c64eafdc7637e7e8f307061ad2b292cb45d1f094b164fc202ebef2b34201ce11af880d7f4d41892e6495aacf296fd027bc809712e3872e9ad84f lib package.json LICENSE.txt'
    'tr46@0.0.3 37758cb2ea95eba953df40ab5cd6c48f1e06130968c37bfaaebe2609cbfaa6b9dfc214b4d6b920c857633cd05877d6ebecba57575f849a1d357c79ead86760af lib index.js package.json'
    'webidl-conversions@3.0.1 d89027df3f0047aae32bc4a6f28ad10b487f6dc97f0ea2fbb513dd199e08d428dd17e11a30b998c411f25ee28bf38f5eb9c3c586f068c4cb1f95f39bf24c5a79 lib package.json LICENSE.md'
)

# All MIT.
oauth_client_packages=(
    'openid-client@6.8.9 ea65cc44d2710ce7fa05f94458b5ee975530ccb173fbef4e7f3d4f6303f0c2c26cc9706c6df90ef89a36e79496d6a9c534b633e042561f3e365f838926bc9afe build package.json LICENSE.md'
    'oauth4webapi@3.8.8 f0ddbc13e6bfa317d758180e32df993ff2547ff5d1f8815bbe40043cfde0ce75ce32ff41a400308888f44c5373ded1933dcd1943cce65813603759c0cacd209e build package.json LICENSE.md'
    'jose@6.2.17 c0eb8af55d72ba34051f94b465698b70364defe20a87d6d4082d993c27f61c39689775961f2f8f3f2363108ef915744b329def0ca41cba93f9f7185553de6172 dist package.json LICENSE.md'
)
# Authlib is BSD-3-Clause, requests-oauthlib ISC; what they need is of such licences too, certifi of
# MPL-2.0. Some wheels are of Debian 12's Python.
oauth_client_wheels=(
    'authlib==1.9.9 --hash=sha256:0199649865fefb4304fc57683eaebb15614523073e41e09d98c72f3268ce5cbc'
    'certifi==2026.10.19.post1 --hash=sha256:1324c476b4811eff41a8bc2122cd0bbd4d9c7234c725446d99ab1612b3a7fdd2'
    'cffi==2.1.1 --hash=sha256:34e261f78cb6ceaaa36f42f2613f4380d94d9c759a9c73c769ee6e0247364632'
    'charset-normalizer==3.5.3 --hash=sha256:2a6f937e0b70133d1f826d0a253331b6fe1a4c874808cc12e16f2fb8177042f4'
    'cryptography==50.0.2 --hash=sha256:9dab55f57c74c3cad24c323bacbbd04be4705ba6eb0d92e920b1fc4837ed5079'
    'idna==3.20 --hash=sha256:ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c'
    'joserfc==1.8.0 --hash=sha256:176b836ac7ed9a46a88629e24076314b475f33a75d0bad7f26146e572eed7c79'
    'oauthlib==4.0.1 --hash=sha256:498a298876e996301950a5b053d12c31628bb7b895db03666430c69ce182eb61'
    'pycparser==3.12 --hash=sha256:a076f3f489b39b43ed13563a1dafe42447445bec2e294154ec5c57fcdda4c85e'
    'requests==2.34.2 --hash=sha256:2a0d60c172f83ac6ab31e4554906c0f3b3588d37b5cb939b1c061f4907e278e0'
    'requests-oauthlib==2.0.0 --hash=sha256:7dd8a5c40426b779b0868c404bdef9768deccf22749cde15852df527e6269b36'
    'urllib3==2.8.0 --hash=sha256:0cf3cae568d36aa9576b28dfb35f11328f1cb974ca7647d9475ebb86c75ac6e3'
)

# grpcio is Apache-2.0, protobuf BSD-3-Clause, typing_extensions PSF-2.0. The wheels are of Debian 12's
# Python.
grpc_python_wheels=(
    'grpcio==1.85.3 --hash=sha256:f2948333a1f462c0e559b5ea436655ed36822fa448f5713d6de2d483bed6e03f'
    'grpcio-tools==1.85.1 --hash=sha256:38b8307a9e7f36678dad9d2590a5e849238a7c2d1178a433fbdd46ab3f6aa452'
    'protobuf==7.36.2 --hash=sha256:89f23aa53c24553a2416fd4fd1ec06f74fa42b14b546d8883128813f775bbfd2'
    'typing-extensions==4.16.0 --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8'
)

# ClickHouse 26.9; Apache-2.0.
chdb_wheels=(
    'chdb==4.4.0 --hash=sha256:b9d1159b19a101a650e72e085631dcc3a0879c31faf7c098bff3ea51dbba2daf'
    'chdb-core==26.9.0 --hash=sha256:707e2ec3fe0f7953bac97942eaeb7a1ed1d66b1e56ecef3f0aa2130f61f6e735'
)

say() { printf '%s\n' "turnpike: $*" >&2; }
fail() { say "$*"; exit 1; }

# as_root COMMAND...: directly as root, else through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; return; fi
    command -v sudo >/dev/null || fail "needs root or sudo for: $*"
    sudo "$@"
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# A program that is there already, however it came, needs no package.
need_packages() {
    local missing=() name
    command -v mold >/dev/null || missing+=(mold)
    command -v npm >/dev/null || missing+=(nodejs npm)
    command -v protoc >/dev/null || missing+=(protobuf-compiler)
    [ -f /usr/include/google/protobuf/descriptor.proto ] || missing+=(libprotobuf-dev)
    for name in "$@"; do
        installed "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null ||
        fail "please install: ${missing[*]} (this script knows Debian's apt-get only)"
    say "installing Debian packages: ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "${missing[@]}" >/dev/null
}

# fetch_npm PACKAGE SHA512 FOLDER FILE...: files out of an npm package, checked, into FOLDER.
fetch_npm() {
    local package=$1 sha512=$2 folder=$3 aside archive name
    shift 3
    mkdir -p "$folder"
    aside=$(mktemp -d "$folder/.fetch.XXXXXX") || return 1
    if ! archive=$(npm pack --loglevel=error --pack-destination "$aside" "$package" 2>"$aside/npm.log"); then
        say "npm could not fetch $package: $(grep -m1 'npm ERR\|npm error' "$aside/npm.log")"
        rm -rf "$aside"
        return 1
    fi
    archive=$aside/$(printf '%s\n' "$archive" | tail -n 1)
    if ! printf '%s  %s\n' "$sha512" "$archive" | sha512sum --check --quiet >/dev/null 2>&1; then
        say "$package is not the package that was expected (its SHA-512 differs)"
        rm -rf "$aside"
        return 1
    fi
    for name in "$@"; do
        tar -xzf "$archive" -C "$aside" "package/$name" && mv -f "$aside/package/$name" "$folder/$name" || {
            say "$package lacks $name"
            rm -rf "$aside"
            return 1
        }
    done
    rm -rf "$aside"
}

# fetch_wheels WHAT FOLDER WHEEL...: Python packages, checked by pip and unpacked into FOLDER; nothing of
# them is run. A failure is a warning that there is no WHAT.
fetch_wheels() {
    local what=$1 folder=$2 wanted log
    shift 2
    # A failure of `need_packages` would end this script.
    python3 -m pip --version >/dev/null 2>&1 || (need_packages python3-pip) || true
    wanted=$(mktemp) log=$(mktemp)
    printf '%s\n' "$@" >"$wanted"
    if ! python3 -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes \
            --only-binary :all: --target "$folder" -r "$wanted" 2>"$log"; then
        say "warning: no $what; $(grep -m1 -i 'error\|no module' "$log")"
        rm -f "$wanted" "$log"
        return 1
    fi
    rm -f "$wanted" "$log"
}

# is_file FILE SHA256: whether the file is there and is the right one. The sum is taken once; a
# file beside it remembers which one was good, so that a second start does not read 70 MB.
is_file() {
    [ -f "$1" ] || return 1
    [ "$(cat "$1.checked" 2>/dev/null)" = "$2 $(stat -c '%s %Y' "$1")" ] && return 0
    printf '%s  %s\n' "$2" "$1" | sha256sum --check --quiet >/dev/null 2>&1 || return 1
    printf '%s' "$2 $(stat -c '%s %Y' "$1")" >"$1.checked"
}

need_duckdb() {
    [ "$(uname -sm)" = 'Linux x86_64' ] ||
        fail "the query engine is pinned for Linux on x86_64 only, not for $(uname -sm)"
    is_file "$turnpike_duckdb/libduckdb.so" "$duckdb_library_sha256" && return 0
    say "fetching libduckdb.so (24 MB) from $duckdb_package into $turnpike_duckdb"
    fetch_npm "$duckdb_package" "$duckdb_sha512" "$turnpike_duckdb" libduckdb.so LICENSE ||
        fail "cannot go on without libduckdb.so"
    is_file "$turnpike_duckdb/libduckdb.so" "$duckdb_library_sha256" ||
        fail "$turnpike_duckdb/libduckdb.so is not the library that was expected"
}

need_geo() {
    geo_database=$turnpike_geo/geo-whois-asn-country.mmdb
    is_file "$geo_database" "$geo_database_sha256" && return 0
    say "fetching the free country database (8 MB) from $geo_package into $turnpike_geo"
    if ! fetch_npm "$geo_package" "$geo_sha512" "$turnpike_geo" geo-whois-asn-country.mmdb NRO_LICENSE; then
        say "warning: no country database; countries will be shown as unknown"
        geo_database=
        return 0
    fi
    printf '%s\n' "$geo_attribution" >"$turnpike_geo/ATTRIBUTION"
}

# Its dependencies want a newer Go than Debian 12 has, so that one is not installed for it.
need_h2spec() {
    export TURNPIKE_H2SPEC=$turnpike_cache/bin/h2spec
    [ -x "$TURNPIKE_H2SPEC" ] && return 0
    local go
    go=$(command -v go || command -v /usr/local/go/bin/go) || go=
    if [ -n "$go" ]; then
        say "building $h2spec_module into $turnpike_cache/bin"
        GOBIN=$turnpike_cache/bin GOFLAGS=-mod=mod "$go" install "$h2spec_module" >&2 && return 0
    fi
    say "warning: no h2spec; it takes Go 1.21 or newer (https://go.dev/dl) to build it"
    TURNPIKE_H2SPEC=
}

# once WHAT FOLDER FILL: FOLDER, filled once by FILL, which gets a folder aside and warns when it fails.
once() {
    local what=$1 target=$2 fill=$3 aside
    [ ! -d "$target" ] || return 0
    say "fetching $what into $target"
    mkdir -p "$turnpike_cache"
    aside=$(mktemp -d "$turnpike_cache/.${target##*/}.XXXXXX") || return 1
    if ! "$fill" "$aside"; then
        rm -rf "$aside"
        return 1
    fi
    # Another start may have been faster.
    mv -T "$aside" "$target" 2>/dev/null || rm -rf "$aside"
}

# fetch_packages WHAT FOLDER 'PACKAGE SHA512 FILE...'...: npm packages, as node looks for them. A failure is
# a warning that there is no WHAT. Nothing of them is run.
fetch_packages() {
    local what=$1 folder=$2 one package sha512 files
    shift 2
    for one in "$@"; do
        read -r package sha512 files <<<"$one"
        # shellcheck disable=SC2086
        fetch_npm "$package" "$sha512" "$folder/node_modules/${package%@*}" $files || {
            say "warning: no $what; $package cannot be had"
            return 1
        }
    done
}

# takes WHAT PROGRAM...: whether the programs are there; without one, a warning that there is no WHAT.
takes() {
    local what=$1 program
    shift
    for program in "$@"; do
        command -v "$program" >/dev/null || {
            say "warning: no $what; it takes $program"
            return 1
        }
    done
}

fill_cache_tests() {
    fetch_packages http-cache-tests "$1" "${cache_test_packages[@]}" &&
        mv "$1/node_modules/http-cache-tests" "$1/http-cache-tests"
}

need_cache_tests() {
    local target=$turnpike_cache/cache-tests
    export TURNPIKE_HTTP_CACHE_TESTS=
    takes http-cache-tests node && once http-cache-tests "$target" fill_cache_tests || return 0
    TURNPIKE_HTTP_CACHE_TESTS=$target
}

# The wheel is checked by pip and unpacked; nothing of it is run while it is installed.
fill_autobahn() {
    fetch_wheels 'Autobahn cases' "$1" "$autobahn_wheel" &&
        fetch_packages 'Autobahn cases' "$1" "$autobahn_echo" &&
        rm -rf "${1:?}/bin"
}

need_autobahn() {
    local target=$turnpike_cache/autobahn
    export TURNPIKE_AUTOBAHN=
    takes 'Autobahn cases' node && once 'Autobahn cases' "$target" fill_autobahn || return 0
    TURNPIKE_AUTOBAHN=$target
}

fill_grpc_python() { fetch_wheels 'plug-ins in Python' "$1" "${grpc_python_wheels[@]}"; }

# For plug-ins in Python.
need_grpc_python() {
    local target=$turnpike_cache/grpc-python
    export TURNPIKE_GRPC_PYTHON=
    takes 'plug-ins in Python' python3 && once 'gRPC for Python' "$target" fill_grpc_python || return 0
    TURNPIKE_GRPC_PYTHON=$target
}

# What it needs stands with its hashes in the lock file.
schemathesis_lock=${BASH_SOURCE[0]%/*}/schemathesis/requirements.txt

fill_schemathesis() {
    mapfile -t wheels < <(grep -v '^#' "$schemathesis_lock")
    fetch_wheels schemathesis "$1" "${wheels[@]}"
}

need_schemathesis() {
    local target=$turnpike_cache/schemathesis
    export TURNPIKE_SCHEMATHESIS=
    takes schemathesis python3 && once schemathesis "$target" fill_schemathesis || return 0
    TURNPIKE_SCHEMATHESIS=$target
}

fill_oauth_clients() {
    fetch_packages 'OAuth 2 clients of others' "$1" "${oauth_client_packages[@]}" &&
        fetch_wheels 'OAuth 2 clients of others' "$1/python" "${oauth_client_wheels[@]}"
}

need_oauth_clients() {
    local target=$turnpike_cache/oauth-clients
    export TURNPIKE_OAUTH_CLIENTS=
    takes 'OAuth 2 clients of others' node &&
        once 'OAuth 2 clients of others' "$target" fill_oauth_clients || return 0
    # Apache asks the key manager too, where it can be had. Its service is not wanted.
    [ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || {
        (need_packages apache2 libapache2-mod-auth-openidc) &&
            as_root service apache2 stop >/dev/null 2>&1
    } || true
    TURNPIKE_OAUTH_CLIENTS=$target
}

# What it needs, 40 packages, stands with its SHA-512 in the lock file; nothing of them is run while they
# are installed. All are MIT or ISC.
oidc_provider_lock=${BASH_SOURCE[0]%/*}/oidc-provider

fill_oidc_provider() {
    cp "$oidc_provider_lock/package.json" "$oidc_provider_lock/package-lock.json" "$1"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error >"$1/npm.log" 2>&1 || {
        say "warning: no oidc-provider; $(grep -m1 'npm ERR\|npm error' "$1/npm.log")"
        return 1
    }
}

need_oidc_provider() {
    local target
    target=$turnpike_cache/oidc-provider-$(sha256sum <"$oidc_provider_lock/package-lock.json" | cut -c 1-12)
    export TURNPIKE_OIDC_PROVIDER=
    takes oidc-provider node npm && once oidc-provider "$target" fill_oidc_provider || return 0
    TURNPIKE_OIDC_PROVIDER=$target
}

# Its service is not wanted.
need_glewlwyd() {
    [ -x /usr/bin/glewlwyd ] || {
        (need_packages glewlwyd) && as_root service glewlwyd stop >/dev/null 2>&1
    } || say "warning: no glewlwyd; Debian's package cannot be had"
}

fill_keycloak() {
    curl -sSfL -o "$1/keycloak.zip" \
        "https://repo1.maven.org/maven2/org/keycloak/keycloak-quarkus-dist/$keycloak_version/keycloak-quarkus-dist-$keycloak_version.zip" || {
        say "warning: no Keycloak; Maven Central cannot be reached"
        return 1
    }
    printf '%s  %s\n' "$keycloak_sha512" "$1/keycloak.zip" | sha512sum --check --quiet >/dev/null 2>&1 || {
        say "warning: no Keycloak; the archive is not the one that was expected (its SHA-512 differs)"
        return 1
    }
    python3 -m zipfile -e "$1/keycloak.zip" "$1" && rm "$1/keycloak.zip" &&
        mv "$1/keycloak-$keycloak_version"/* "$1" && rmdir "$1/keycloak-$keycloak_version" || {
        say "warning: no Keycloak; the archive cannot be unpacked"
        return 1
    }
}

need_keycloak() {
    local target=$turnpike_cache/keycloak-$keycloak_version
    export TURNPIKE_KEYCLOAK=
    # A failure of `need_packages` would end this script.
    command -v java >/dev/null || (need_packages openjdk-17-jre-headless) || true
    takes Keycloak java && once 'Keycloak (177 MB)' "$target" fill_keycloak || return 0
    TURNPIKE_KEYCLOAK=$target
}

need_grpc_interop() {
    export TURNPIKE_GRPC_INTEROP=$turnpike_cache/grpc-interop
    [ -x "$TURNPIKE_GRPC_INTEROP/client" ] && [ -x "$TURNPIKE_GRPC_INTEROP/server" ] && return 0
    local go
    go=$(command -v go || command -v /usr/local/go/bin/go) || go=
    if [ -n "$go" ]; then
        say "building $grpc_interop_module of $grpc_interop_version into $TURNPIKE_GRPC_INTEROP"
        GOBIN=$TURNPIKE_GRPC_INTEROP GOFLAGS=-mod=mod "$go" install \
            "$grpc_interop_module/client@$grpc_interop_version" \
            "$grpc_interop_module/server@$grpc_interop_version" >&2 && return 0
    fi
    say "warning: no gRPC interop cases; it takes Go 1.25 or newer (https://go.dev/dl) to build them"
    TURNPIKE_GRPC_INTEROP=
}

need_opa() {
    export TURNPIKE_OPA=$turnpike_cache/opa/opa
    [ -x "$TURNPIKE_OPA" ] && return 0
    local go
    go=$(command -v go || command -v /usr/local/go/bin/go) || go=
    if [ -n "$go" ]; then
        say "building $opa_module into $turnpike_cache/opa"
        GOBIN=$turnpike_cache/opa GOFLAGS=-mod=mod CGO_ENABLED=0 \
            "$go" install -ldflags='-s -w' "$opa_module" >&2 && return 0
    fi
    say "warning: no Open Policy Agent; it takes Go 1.26 or newer (https://go.dev/dl) to build it"
    TURNPIKE_OPA=
}

# Debian names the program without its ending.
need_testssl() {
    export TURNPIKE_TESTSSL=
    # A failure of `need_packages` would end this script.
    command -v testssl >/dev/null || command -v testssl.sh >/dev/null || (need_packages testssl.sh) || true
    TURNPIKE_TESTSSL=$(command -v testssl || command -v testssl.sh) ||
        say "warning: no testssl.sh; see https://testssl.sh"
}

fill_chdb() { fetch_wheels ClickHouse "$1" "${chdb_wheels[@]}"; }

need_chdb() {
    local target=$turnpike_cache/chdb
    export TURNPIKE_CHDB=
    takes ClickHouse python3 && once 'ClickHouse as a library (182 MB)' "$target" fill_chdb || return 0
    TURNPIKE_CHDB=$target
}

build_environment() {
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$turnpike_cache/target}
    export DUCKDB_LIB_DIR=${DUCKDB_LIB_DIR:-$turnpike_duckdb}
    # Test programs lie one folder below the library that is put beside the binaries.
    export LD_LIBRARY_PATH=$DUCKDB_LIB_DIR${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    # rustup's own folder is not on the path of every shell.
    command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
    command -v cargo >/dev/null || fail "Rust is missing; see https://rustup.rs"
}

# A hard link costs nothing; across file systems it is copied.
beside_binaries() {
    [ "$1/libduckdb.so" -ef "$DUCKDB_LIB_DIR/libduckdb.so" ] && return 0
    mkdir -p "$1"
    ln -f "$DUCKDB_LIB_DIR/libduckdb.so" "$1/libduckdb.so" 2>/dev/null ||
        cp -f "$DUCKDB_LIB_DIR/libduckdb.so" "$1/libduckdb.so"
}
