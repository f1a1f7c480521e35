//! Objects in a bucket of S3, or of a store with its API. The crate `object_store` signs the requests and finds the
//! credentials; they are sent by a client of our own.

mod bucket;
mod config;

pub use bucket::{Bounds, Bucket, BucketError};
pub use config::BucketConfig;
