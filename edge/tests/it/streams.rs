//! Server-sent events: as they come, kept alive, ended by service, client and edge.

use futures::channel::mpsc::{self, UnboundedSender};
use reqwest::Response;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::Status;
use vitrina_edge::{EdgeConfig, SERVICES};
use vitrina_proto::orders::v1::{OrderMove, OrderRequest, OrderState};

use crate::support::{LIMIT, Shop, check_problem, read_all, token};

const WATCH: &str = "vitrina.orders.v1.Orders/WatchOrder";
const PATH: &str = "/v1/orders/ord_1/events";

fn moved(state: OrderState) -> OrderMove {
    OrderMove { state: state.into(), at: None, by: "buyer".into() }
}

/// Lets the order move when the test says so; the order is watched once.
fn script(shop: &Shop) -> UnboundedSender<OrderMove> {
    let (sender, moves) = mpsc::unbounded();
    let moves = std::sync::Mutex::new(Some(moves));
    shop.scripts.on_stream(WATCH, move |request: OrderRequest| match request.id.as_str() {
        "ord_1" => Ok(moves.lock().unwrap().take().expect("watched once")),
        _ => Err(Status::not_found("x")),
    });
    sender
}

async fn watch(shop: &Shop) -> Response {
    // Without a limit of its own: the stream has none.
    let request = shop.http.get(shop.url(PATH)).bearer_auth(token("ses_1", &[]));
    tokio::time::timeout(LIMIT, request.send()).await.unwrap().unwrap()
}

/// What comes until the text is complete.
async fn check_next(answer: &mut Response, expected: &str) {
    let mut seen = String::new();
    let read = async {
        while seen.len() < expected.len() {
            let chunk = answer.chunk().await.unwrap().expect("the stream goes on");
            seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(LIMIT, read).await.unwrap_or_else(|_| panic!("only this came: {seen}"));
    assert_eq!(seen, expected);
}

async fn check_end(answer: &mut Response) {
    let rest = tokio::time::timeout(LIMIT, answer.chunk()).await.expect("the stream ends in time");
    assert_eq!(rest.expect("the stream ends as it should"), None);
}

async fn check_abandoned(sender: &UnboundedSender<OrderMove>) {
    let gone = async {
        while !sender.is_closed() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("the service is told that nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_of_an_order_arrive_as_they_happen() {
    let shop = Shop::whole().await;
    let sender = script(&shop);
    let mut answer = watch(&shop).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers().contains_key("x-request-id"));
    sender.unbounded_send(moved(OrderState::AwaitingPayment)).unwrap();
    check_next(&mut answer, "data: {\"state\":\"AWAITING_PAYMENT\",\"by\":\"buyer\"}\n\n").await;
    sender.unbounded_send(moved(OrderState::Paid)).unwrap();
    check_next(&mut answer, "data: {\"state\":\"PAID\",\"by\":\"buyer\"}\n\n").await;
    drop(sender);
    check_end(&mut answer).await;
    let seen = shop.scripts.seen(WATCH).remove(0);
    assert_eq!(seen["x-vitrina-user"], "usr_ana");
    assert!(!seen.contains_key("grpc-timeout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_is_kept_alive_beyond_the_deadline_of_its_route() {
    let mut config = EdgeConfig::default();
    config.limits.heartbeat_ms = 500;
    let shop = Shop::open_of(&SERVICES, config, None).await;
    let sender = script(&shop);
    let mut answer = watch(&shop).await;
    check_next(&mut answer, &":\n\n".repeat(6)).await;
    sender.unbounded_send(moved(OrderState::Paid)).unwrap();
    let mut seen = String::new();
    let told = async {
        while !seen.contains("PAID") {
            seen.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(LIMIT, told).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_client_goes() {
    let mut config = EdgeConfig::default();
    // No heartbeat that fails, which would end it as well: the edge sees by itself that the client is gone.
    config.limits.heartbeat_ms = 3_600_000;
    let shop = Shop::open_of(&SERVICES, config, None).await;
    let sender = script(&shop);
    let mut answer = watch(&shop).await;
    sender.unbounded_send(moved(OrderState::Paid)).unwrap();
    check_next(&mut answer, "data: {\"state\":\"PAID\",\"by\":\"buyer\"}\n\n").await;
    drop(answer);
    check_abandoned(&sender).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_streams_at_once() {
    let shop = Shop::whole().await;
    let sender = script(&shop);
    let mut answer = watch(&shop).await;
    tokio::time::timeout(LIMIT, shop.edge.drain()).await.unwrap();
    check_end(&mut answer).await;
    check_abandoned(&sender).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_does_not_start_is_a_problem() {
    let shop = Shop::whole().await;
    let sender = script(&shop);
    check_problem(shop.get(PATH).await, 401, "unauthenticated").await;
    let token = token("ses_1", &[]);
    check_problem(shop.get_as("/v1/orders/ord_2/events", &token).await, 404, "not_found").await;
    shop.scripts.hang(WATCH);
    check_problem(shop.get_as(PATH, &token).await, 504, "deadline_exceeded").await;
    drop(sender);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_and_head_get_what_they_understand() {
    let shop = Shop::whole().await;
    let sender = script(&shop);
    let line = format!("{PATH} HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n", token("ses_1", &[]));
    let mut stream = TcpStream::connect(shop.edge.addr).await.unwrap();
    stream.write_all(format!("GET {line}").as_bytes()).await.unwrap();
    sender.unbounded_send(moved(OrderState::Paid)).unwrap();
    drop(sender);
    let answer = read_all(&mut stream).await.to_ascii_lowercase();
    assert!(!answer.contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ndata: {\"state\":\"paid\",\"by\":\"buyer\"}\n\n"), "{answer}");

    let sender = script(&shop);
    let answer = shop.raw(&format!("HEAD {line}")).await;
    assert!(answer.contains(" 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    check_abandoned(&sender).await;
}
