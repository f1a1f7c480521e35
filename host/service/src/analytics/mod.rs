//! Analytics: what became of conversations, what was asked without an answer, and how connectors did.
//!
//! [`update`] computes outcomes by the rules of `resly_core::outcome`, as a job. What pages and the API show is read from the
//! sums that it keeps: [`report`], and the conversations behind each number ([`cards`]).

mod cards;
mod job;
mod numbers;
mod questions;
mod report;
mod span;

pub use self::{
    cards::{Card, conversations},
    job::{rate, recompute, update},
    numbers::{Numbers, Share},
    questions::{ArticleDraft, draft, groups},
    report::{Connectors, Group, Interval, Report, ReportQuery, connectors, language_name, numbers, report},
    span::{LONGEST_DAYS, Span, SpanError, is_day},
};
