//! What a call says, as it travels: its request is packed, its answer unpacked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::error::CallError;
use super::options::{Answer, CallOptions};
use crate::traceparent::TRACEPARENT;
use crate::urgency;
use crate::wire::compress::{compress, decompress};
use crate::wire::content::{self, Body, ContentError};
use crate::wire::head::REQUEST_ID;
use crate::wire::{Code, ContentType, Encoding, Frame, RequestProtocol, ResponseProtocol};

/// Sends a message as bytes, and reads the answer as one.
pub(super) async fn translated<Q: Body, A: Body, R>(
    content: ContentType,
    request: &Q,
    send: impl FnOnce(Bytes) -> R,
) -> Result<A, CallError>
where
    R: Future<Output = Result<Bytes, CallError>>,
{
    let body = content::encode(content, request);
    let body = body.map_err(|error| CallError::Encode(Arc::new(error)))?;
    let answer = send(body).await?;
    content::decode(content, answer).map_err(undecodable)
}

/// The timeout and the metadata of a call that is made in a request: no longer
/// than until that one's deadline, with its id and span, and as urgent.
pub(super) fn within(
    carried: Option<&errgroup::Context>,
    options: &CallOptions,
) -> Result<(Duration, BTreeMap<String, Bytes>), CallError> {
    let (mut timeout, mut meta) = (options.timeout, options.meta.clone());
    if let Some(context) = carried {
        meta.entry(REQUEST_ID.to_owned())
            .or_insert_with(|| Bytes::copy_from_slice(context.id().as_bytes()));
        if let Some(span) = context.get(TRACEPARENT) {
            let span = || Bytes::copy_from_slice(span.as_bytes());
            meta.entry(TRACEPARENT.to_owned()).or_insert_with(span);
        }
        urgency::inherit(&mut meta, context);
        if let Some(deadline) = context.deadline() {
            timeout = timeout.min(deadline.saturating_duration_since(Instant::now().into_std()));
        }
    }
    if timeout.is_zero() {
        return Err(CallError::Timeout);
    }
    Ok((timeout, meta))
}

/// The body as it travels, told in the head.
pub(super) fn pack(
    body: Bytes,
    options: &CallOptions,
    head: &mut RequestProtocol,
) -> Result<Bytes, CallError> {
    let mut packed = body;
    if options.encoding != Encoding::NONE {
        let worth_it = packed.len() >= options.compress_from;
        let compressed = worth_it.then(|| compress(options.encoding, &packed));
        match compressed.transpose() {
            Ok(Some(Some(body))) => {
                packed = body;
                head.content_encoding = options.encoding.0;
            }
            // Nothing is the same in each encoding, and asks for the answer in it.
            Ok(_) if packed.is_empty() => head.content_encoding = options.encoding.0,
            Ok(_) => {}
            Err(error) => return Err(CallError::Encode(Arc::new(error.into()))),
        }
    }
    if !options.attachment.is_empty() {
        head.attachment_size = u32::try_from(options.attachment.len()).unwrap_or(u32::MAX);
        packed = [packed, options.attachment.clone()].concat().into();
    }
    Ok(packed)
}

/// The head of an answer.
pub(super) fn head(frame: &Frame) -> Result<ResponseProtocol, CallError> {
    let mut head = ResponseProtocol::default();
    let read = frame.read_head(&mut head);
    read.map_err(|error| undecodable(ContentError::Protobuf(error)))?;
    Ok(head)
}

pub(super) fn has_failed(head: &ResponseProtocol) -> bool {
    head.ret != 0 || head.func_ret != 0
}

/// The answer whose head this is, of at most `max_frame` bytes.
pub(super) fn answer(
    head: ResponseProtocol,
    frame: Frame,
    max_frame: usize,
) -> Result<Answer, CallError> {
    if has_failed(&head) {
        return Err(CallError::Remote {
            code: Code(head.ret),
            func_code: head.func_ret,
            message: String::from_utf8_lossy(&head.error_msg).into_owned(),
        });
    }
    let mut body = frame.into_body();
    let attachment = head.attachment_size as usize;
    let Some(length) = body.len().checked_sub(attachment) else {
        let body = body.len();
        return Err(undecodable(ContentError::Attachment { attachment, body }));
    };
    let attachment = body.split_off(length);
    if head.content_encoding != 0 {
        body = decompress(Encoding(head.content_encoding), body, max_frame)
            .map_err(|error| undecodable(error.into()))?;
    }
    Ok(Answer {
        body,
        meta: head.trans_info,
        attachment,
    })
}

fn undecodable(error: ContentError) -> CallError {
    CallError::Decode(Arc::new(error))
}
