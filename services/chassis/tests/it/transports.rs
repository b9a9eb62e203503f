//! In process and over TCP: one behaviour.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use vitrina_chassis::{Code, Fault, Limits, Running, Service, Transport, UserId, start, testing};

use crate::notes::{Note, Notes, call_put, metadata, note};

async fn running(change: impl FnOnce(Service) -> Service) -> (Running, SocketAddr, Notes, tempfile::TempDir) {
    let (ctx, dir) = testing::context();
    let notes = Notes::new(ctx.clone());
    let mut running = start(ctx, change(notes.service())).unwrap();
    let address = running.serve(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
    (running, address, notes, dir)
}

async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Both ways to a service of its own each, so that both begin from the same state.
async fn check_alike(requests: impl Fn() -> Vec<tonic::Request<Note>>, expected: Option<Code>) {
    let mut seen = Vec::new();
    for over_tcp in [Way::InProcess, Way::Tcp] {
        let (running, address, _, _dir) = running(|service| service).await;
        let transport: Transport = match over_tcp {
            Way::InProcess => running.in_process().into(),
            Way::Tcp => channel(address).await.into(),
        };
        let mut outcomes = Vec::new();
        for request in requests() {
            outcomes.push(match call_put(transport.clone(), request).await {
                Ok(response) => {
                    let get = |name: &str| {
                        response.metadata().get(name).map(|value| value.to_str().unwrap().to_owned())
                    };
                    Ok((
                        get("x-vitrina-changed"),
                        get("x-vitrina-version"),
                        get("x-vitrina-replayed"),
                        response.into_inner(),
                    ))
                }
                Err(status) => Err((status.code(), Fault::from_status(&status))),
            });
        }
        let last = outcomes.last().unwrap().as_ref().err().map(|(_, fault)| fault.code);
        assert_eq!(last, expected, "{outcomes:?}");
        seen.push(outcomes);
        running.drain(Duration::from_secs(30)).await;
    }
    assert_eq!(seen[0], seen[1]);
}

enum Way {
    InProcess,
    Tcp,
}

fn keyed(note: Note, key: &str, user_id: UserId) -> tonic::Request<Note> {
    let mut request = tonic::Request::new(note);
    *request.metadata_mut() =
        metadata(&[("x-vitrina-idempotency-key", key), ("x-vitrina-user", &user_id.to_string())]);
    request
}

#[tokio::test]
async fn an_answer_and_its_metadata() {
    let user_id = UserId::generate();
    check_alike(|| (0..2).map(|_| keyed(note("a", "x"), "k", user_id)).collect(), None).await;
}

#[tokio::test]
async fn a_key_that_is_used_again() {
    let user_id = UserId::generate();
    let requests = || vec![keyed(note("a", "x"), "k", user_id), keyed(note("a", "y"), "k", user_id)];
    check_alike(requests, Some(Code::KeyReused)).await;
}

#[tokio::test]
async fn faults_with_fields_and_with_a_time_to_wait() {
    check_alike(|| vec![tonic::Request::new(note("", ""))], Some(Code::InvalidInput)).await;
    check_alike(|| vec![tonic::Request::new(note("taken", ""))], Some(Code::Conflict)).await;
}

#[tokio::test]
async fn a_panic_costs_one_call_only() {
    let user_id = UserId::generate();
    check_alike(|| vec![tonic::Request::new(note("panic", ""))], Some(Code::Internal)).await;
    check_alike(|| vec![tonic::Request::new(note("panic", "")), keyed(note("a", "x"), "k", user_id)], None)
        .await;
}

#[tokio::test]
async fn the_deadline_of_the_caller() {
    let request = || {
        let mut request = tonic::Request::new(note("hang", ""));
        request.set_timeout(Duration::from_millis(200));
        vec![request]
    };
    check_alike(request, Some(Code::DeadlineExceeded)).await;
}

#[tokio::test]
async fn the_deadline_of_the_service() {
    let limits = Limits { deadline_max: Duration::from_millis(50), ..Limits::default() };
    let (running, address, _, _dir) = running(|service| service.limits(limits)).await;
    for transport in [Transport::from(running.in_process()), Transport::from(channel(address).await)] {
        let status = call_put(transport, tonic::Request::new(note("hang", ""))).await.unwrap_err();
        assert_eq!(Fault::from_status(&status).code, Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn more_than_the_limit_is_turned_away_at_once() {
    let limits = Limits { in_flight_max: 1, ..Limits::default() };
    let (running, address, notes, _dir) = running(|service| service.limits(limits)).await;
    let first = tokio::spawn(call_put(running.in_process(), tonic::Request::new(note("wait", ""))));
    for transport in [Transport::from(running.in_process()), Transport::from(channel(address).await)] {
        // Until the first call is in, these are served themselves.
        loop {
            match call_put(transport.clone(), tonic::Request::new(note("b", ""))).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(status) => {
                    assert_eq!(Fault::from_status(&status).reason, "overloaded");
                    break;
                }
            }
        }
    }
    notes.gate.add_permits(1);
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn health_says_how_it_is() {
    let (running, address, _, _dir) = running(|service| service).await;
    let mut overall = HealthClient::new(Transport::from(channel(address).await));
    let mut named = HealthClient::new(Transport::from(running.in_process()));
    for (client, service) in [(&mut overall, ""), (&mut named, "vitrina.test.v1.Notes")] {
        let request = || HealthCheckRequest { service: service.to_owned() };
        // Serving = 1; the first report is made by a task, so it may take a moment.
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while !client.check(request()).await.is_ok_and(|response| response.into_inner().status == 1) {
            assert!(std::time::Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
