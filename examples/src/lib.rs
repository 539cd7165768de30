#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod admin;
pub mod alarm;
pub mod cli;
pub mod client;
pub mod config;
pub mod http;
pub mod job;
pub mod listen;
pub mod live;
pub mod load;
pub mod logging;
pub mod metrics;
pub mod netpoll;
pub mod provenance;
pub mod quantiles;
pub mod report;
pub mod say;
pub mod server;
pub mod shutdown;
pub mod stack;
pub mod traceparent;
pub mod urgency;
pub mod view;
pub mod wire;
