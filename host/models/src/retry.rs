//! An answer that fails before its first word is asked for once more.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Future, FutureExt, Stream, StreamExt, future::BoxFuture};
use resly_core::model::{ModelError, ModelEvent};

use crate::answer::{Answer, AnswerReader};

/// What asks once more.
type Again<R> = BoxFuture<'static, Result<Answer<R>, ModelError>>;

pub(crate) struct Retrying<R> {
    answer: Option<Answer<R>>,
    /// Gone once the answer has begun, or was asked for again.
    again: Option<Again<R>>,
}

impl<R: AnswerReader> Retrying<R> {
    pub fn new(answer: Answer<R>, again: impl Future<Output = Result<Answer<R>, ModelError>> + Send + 'static) -> Self {
        Self { answer: Some(answer), again: Some(again.boxed()) }
    }
}

impl<R: AnswerReader> Stream for Retrying<R> {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(answer) = &mut this.answer else {
                let Some(again) = &mut this.again else { return Poll::Ready(None) };
                let asked = futures::ready!(again.poll_unpin(cx));
                this.again = None;
                match asked {
                    Ok(answer) => this.answer = Some(answer),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
                continue;
            };
            let event = futures::ready!(answer.poll_next_unpin(cx));
            match &event {
                Some(Err(error)) if this.again.is_some() && answer.may_be_asked_again() => {
                    tracing::debug!(%error, "asking the model again");
                    this.answer = None;
                }
                _ => {
                    this.again = None;
                    return Poll::Ready(event);
                }
            }
        }
    }
}
