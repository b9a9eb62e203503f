//! Faults over the wire.

use std::borrow::Cow;

use tonic::Status;
use vitrina_chassis::{Code, Fault, FieldError};

fn check_round_trip(fault: Fault) {
    let status = Status::from(fault.clone());
    assert_eq!(status.code(), fault.code.grpc());
    assert_eq!(Fault::from_status(&status), fault);
    // As bytes in headers, which is all that a client gets.
    let response: http::Response<()> = status.into_http();
    let read = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(Fault::from_status(&read), fault);
}

#[test]
fn every_fault_reads_back_from_its_status() {
    for code in [
        Code::InvalidInput,
        Code::TooLarge,
        Code::UnsupportedMedia,
        Code::Unauthenticated,
        Code::Forbidden,
        Code::NotFound,
        Code::Conflict,
        Code::PreconditionFailed,
        Code::KeyReused,
        Code::TooManyRequests,
        Code::Unimplemented,
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Internal,
    ] {
        check_round_trip(Fault::new(code, "a_reason", "a sentence, with ümläuts"));
        check_round_trip(Fault::new(code, "a_reason", "later").retry_after_ms(1500));
    }
    check_round_trip(Fault::invalid(vec![
        FieldError::new("items[2].quantity", "out_of_range", "must be between 1 and 10"),
        FieldError::new("name", Cow::Owned("required".to_owned()), "must not be empty: never"),
    ]));
}

#[test]
fn the_text_of_a_foreign_status_is_not_passed_on() {
    let fault = Fault::from_status(&Status::internal("panicked at src/secret.rs:12"));
    assert_eq!(fault, Fault::internal());
    let fault = Fault::from_status(&Status::unavailable("tcp connect error 10.0.0.7:5432"));
    assert_eq!(fault.code, Code::Unavailable);
    assert!(!fault.detail.contains("10.0.0.7"));
    assert_eq!(Fault::from_status(&Status::cancelled("Timeout expired")).code, Code::DeadlineExceeded);
    assert_eq!(Fault::from_status(&Status::data_loss("x")).code, Code::Internal);
}
