//! Who asks over gRPC? The name in its certificate.

pub(super) fn caller<T>(request: &tonic::Request<T>) -> String {
    chassis::rpc::peer(request).map(ToString::to_string).unwrap_or_default()
}
