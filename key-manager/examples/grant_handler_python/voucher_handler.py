"""A grant handler for vouchers: whoever shows the code of one gets a token for its person.

Vouchers are lines of a file, "CODE NAME SCOPE...". See README.md for how to run it.
"""

import argparse
import hmac
import time
from concurrent import futures

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from turnpike.identity.v1 import grant_handler_pb2 as pb
from turnpike.identity.v1 import grant_handler_pb2_grpc as service

GRANT_TYPE = "urn:example:grant-type:voucher"
# A voucher that was used is refused by the key manager for so long; then the file has to say no more of it.
REMEMBERED_SECONDS = 30 * 24 * 3600


def read_vouchers(path):
    """CODE -> (NAME, SCOPES); read for each request, so that the file can be changed."""
    vouchers = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if len(words) >= 2 and not line.startswith("#"):
                vouchers[words[0]] = (words[1], words[2:])
    return vouchers


class VoucherHandler(service.GrantHandlerServicer):
    def __init__(self, path):
        self.path = path

    def Describe(self, request, context):
        return pb.GrantDescriptor(
            grant_types=[GRANT_TYPE],
            parameters=[
                # It is as good as a password: nobody may log it.
                pb.GrantParameter(name="voucher", longest=64, secret=True, required=True)
            ],
            needs_user=True,
            error_codes=["voucher_unknown"],
            claims=["voucher_shop"],
            version="1",
        )

    def Validate(self, request, context):
        shown = request.parameters.get("voucher", "")
        found = None
        for code, voucher in read_vouchers(self.path).items():
            # Every code is compared, and in constant time: the time tells nothing.
            if hmac.compare_digest(code.encode(), shown.encode()):
                found = voucher
        if found is None:
            return pb.GrantDecision(
                deny=pb.Deny(
                    error="voucher_unknown",
                    description="there is no such voucher",
                    count_as_auth_failure=True,
                )
            )
        name, scopes = found
        return pb.GrantDecision(
            approve=pb.Approve(
                user_name=name,
                max_scope=pb.ScopeBound(scopes=scopes),
                max_access_seconds=600,
                claims='{"voucher_shop": "station"}',
                # Not marked as used here: the request may still be refused for another reason.
                single_use=pb.SingleUse(
                    name=shown,
                    until=Timestamp(seconds=int(time.time()) + REMEMBERED_SECONDS),
                ),
            )
        )


class OnlyKeyManager(grpc.ServerInterceptor):
    """Lets nobody in but the key manager, whoever else the authority gave a certificate to."""

    def __init__(self):
        def refuse(request, context):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "only the key manager may ask")

        self.refused = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler

        def checked(request, context):
            names = context.auth_context().get("x509_subject_alternative_name", [])
            if not any(name.startswith(b"turnpike://key-manager/") for name in names):
                return self.refused.unary_unary(request, context)
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            checked,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:7001")
    parser.add_argument("--ca", required=True, help="PEM file of the authority")
    parser.add_argument("--certificate", required=True, help="PEM file of turnpike://kiosk/...")
    parser.add_argument("--key", required=True, help="PEM file of its key")
    parser.add_argument("--vouchers", required=True, help="file with the vouchers")
    arguments = parser.parse_args()

    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8), interceptors=[OnlyKeyManager()]
    )
    service.add_GrantHandlerServicer_to_server(VoucherHandler(arguments.vouchers), server)
    credentials = grpc.ssl_server_credentials(
        [(read(arguments.key), read(arguments.certificate))],
        root_certificates=read(arguments.ca),
        require_client_auth=True,
    )
    port = server.add_secure_port(arguments.listen, credentials)
    server.start()
    print(f"listening on port {port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
