//! The question to a service whether it is ready.

use std::sync::Weak;
use std::time::Duration;

use rand::Rng;
use tonic::Code;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{self, Bytes, StdError};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Whether a service says that it serves.
pub(crate) async fn is_ready<T>(transport: T) -> bool
where
    T: GrpcService<Body, Error: Into<StdError>>,
    T::ResponseBody: codegen::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    let mut client = HealthClient::new(transport);
    let check = client.check(HealthCheckRequest::default());
    match tokio::time::timeout(TIMEOUT, check).await {
        Ok(Ok(answer)) => answer.into_inner().status == i32::from(ServingStatus::Serving),
        // A service need not have this rpc; that it answered is enough.
        Ok(Err(fault)) => fault.code() == Code::Unimplemented,
        Err(_) => false,
    }
}

/// Waits for the next question, with a quarter of the time at random so that not all edges ask at once; `false` when who is asked
/// about is gone meanwhile.
pub(super) async fn next<T>(usual: Duration, asked_about: &Weak<T>) -> bool {
    let share = rand::thread_rng().gen_range(0.75..=1.25);
    tokio::time::sleep(usual.mul_f64(share)).await;
    asked_about.strong_count() > 0
}
