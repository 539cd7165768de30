//! What cannot be sent or read, or has failed there, and the code that says so.

use bytes::Bytes;
use rpc_demo::client::{CallError, CallOptions};
use rpc_demo::server::{Failure, Service};
use rpc_demo::wire::{Code, ContentType};
use tokio::io::AsyncWriteExt;

use crate::rpc_peer::{ECHO, LONG, Text, echo, frame, start, text};
use crate::{answer, call, one, peer, read_request};

#[tokio::test]
async fn a_remote_error_is_told_with_both_codes() {
    let service: Service = echo().method("Fail", |_, _: Text| async {
        Err::<Text, _>(Failure::business(-7, "not today"))
    });
    let (_server, addr) = start(service).await;
    let client = one(addr);
    let options = CallOptions::default();
    let failed = client
        .call::<_, Text>("/rpcdemo.Echo/Fail", &text(""), &options)
        .await;
    match failed.unwrap_err() {
        CallError::Remote {
            code: Code::OK,
            func_code: -7,
            message,
        } => {
            assert_eq!(message, "not today");
        }
        other => panic!("{other}"),
    }
    let error = client
        .call::<_, Text>("/nobody/home", &text(""), &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NO_SERVICE);
}

#[tokio::test]
async fn a_request_that_fits_no_frame_is_code_121_and_the_next_one_goes() {
    let (_server, addr) = start(echo()).await;
    let client = one(addr);
    let options = CallOptions::default();
    let big = Bytes::from(vec![0; 11 << 20]);
    let error = client
        .call_raw(ECHO, ContentType::RAW, big, &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_ENCODE, "{error}");
    let options = CallOptions {
        content_type: ContentType::XML,
        ..CallOptions::default()
    };
    let error = client
        .call::<_, Text>(ECHO, &text(""), &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_ENCODE);
    assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "hello");
}

#[tokio::test]
async fn an_answer_that_cannot_be_decoded_is_code_122() {
    let addr = peer(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(&frame(1, &[0xff; 11], b"")).await.unwrap();
        read_request(&mut stream).await.unwrap();
        // ret 0, attachment_size (tag 12) of 1 in an empty body
        stream
            .write_all(&frame(2, &[12 << 3, 1], b""))
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let client = one(addr);
    for _ in 1..=2 {
        let error = call(&client, ECHO, LONG).await.unwrap_err();
        assert_eq!(error.code(), Code::CLIENT_DECODE, "{error}");
    }
}

#[tokio::test]
async fn what_is_no_frame_is_code_171() {
    let addr = peer(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let error = call(&one(addr), ECHO, LONG).await.unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_READ_FRAME, "{error}");
}

#[tokio::test]
async fn an_answer_to_nobodys_call_is_thrown_away() {
    let addr = peer(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        answer(&mut stream, 77, b"not asked for").await;
        answer(&mut stream, 1, b"asked for").await;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(call(&one(addr), ECHO, LONG).await.unwrap(), "asked for");
}
