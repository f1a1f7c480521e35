//! Reading an answer: server-sent events in, model events out, with a clear end or a clear error.

mod state;

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream::BoxStream};
use reqwest::Response;
use resly_core::{
    json::without_bom,
    model::{ModelError, ModelEvent},
};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

pub(crate) use self::state::{AnswerReader, AnswerState, Flow};
use crate::{config::Timeouts, sse::Reader};

/// The largest answer that is taken in one piece from a server that doesn't stream.
const WHOLE: usize = 4 << 20;
/// The most white space that is waited through for an answer's first byte.
const BLANK: usize = 4 << 10;
/// How long, and for how many bytes, a finished response is read on so that its connection can be used again.
const DRAIN: (Duration, usize) = (Duration::from_secs(1), 64 << 10);

/// More calls in one answer than any turn would make.
pub(crate) const MOST_CALLS: usize = 64;
/// More bytes of arguments, over all calls, than any action takes.
pub(crate) const MOST_ARGUMENT_BYTES: usize = 1 << 20;
/// The most bytes of data beside text and calls that are kept of one answer.
pub(crate) const MOST_DATA: usize = 1 << 20;

type Body = BoxStream<'static, Result<Bytes, reqwest::Error>>;

/// Turns a response into events. `until` is when the first event must have come.
pub(crate) fn read<R: AnswerReader>(response: Response, reader: R, timeouts: Timeouts, until: Instant) -> Answer<R> {
    Answer {
        body: Some(response.bytes_stream().boxed()),
        source: Source::Unknown(Vec::new()),
        timer: Box::pin(sleep_until(until)),
        waits: timeouts.first_event,
        timeouts,
        events: VecDeque::new(),
        reader,
        passing: false,
    }
}

/// An answer on its way.
pub(crate) struct Answer<R> {
    /// Gone once the answer has ended, well or not.
    body: Option<Body>,
    source: Source,
    timer: Pin<Box<Sleep>>,
    /// What the timer stands for.
    waits: Duration,
    timeouts: Timeouts,
    /// What is ready to be passed on.
    events: VecDeque<Result<ModelEvent, ModelError>>,
    reader: R,
    /// It ended with an error that asking again may help against.
    passing: bool,
}

enum Source {
    /// Nothing but white space has come. What an answer is shows in its first byte; the content type of some servers doesn't
    /// tell.
    Unknown(Vec<u8>),
    Events(Reader),
    /// The server answers with one JSON object.
    Whole(Vec<u8>),
}

impl<R: AnswerReader> Stream for Answer<R> {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            let step = match body.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(bytes))) => this.take(bytes),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(error = %error.without_url(), "the model's stream was cut");
                    this.passing = !this.reader.state().heard && !matches!(this.source, Source::Whole(_));
                    this.last().and_then(|_| this.reader.state().ended())
                }
                Poll::Ready(None) => this.last().and_then(|_| this.reader.state().ended()),
                Poll::Pending => {
                    ready!(this.timer.as_mut().poll(cx));
                    this.reader.state().timed_out(this.waits)
                }
            };
            this.settle(step);
        }
    }
}

impl<R: AnswerReader> Answer<R> {
    /// Whether it ended with an error before it said anything, and asking again may help.
    pub fn may_be_asked_again(&self) -> bool {
        self.passing
    }

    fn take(&mut self, bytes: Bytes) -> Result<Flow, ModelError> {
        let mut heard = false;
        let mut flow = Flow::On;
        let bytes = match self.recognise(bytes) {
            Some(bytes) => bytes,
            None => return Ok(Flow::On),
        };
        match &mut self.source {
            Source::Unknown(_) => {}
            Source::Whole(whole) => {
                if whole.len() + bytes.len() > WHOLE {
                    return Err(self.reader.state().protocol(format!("the answer is larger than {WHOLE} bytes")));
                }
                whole.extend_from_slice(&bytes);
                heard = true;
            }
            Source::Events(reader) => {
                reader.push(bytes);
                while flow == Flow::On {
                    match reader.next() {
                        Ok(Some(event)) => {
                            heard = true;
                            flow = self.reader.event(&event)?;
                        }
                        Ok(None) => break,
                        Err(error) => return Err(self.reader.state().protocol(error.to_string())),
                    }
                }
            }
        }
        if heard {
            self.waits = if self.reader.state().finish.is_some() { self.timeouts.linger } else { self.timeouts.idle };
            self.timer.as_mut().reset(Instant::now() + self.waits);
        }
        Ok(flow)
    }

    /// Finds out from its first byte what the answer is: an object, or an event stream, of which no line can begin like one.
    /// Gives back what is to be read.
    fn recognise(&mut self, bytes: Bytes) -> Option<Bytes> {
        const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
        let Source::Unknown(blank) = &mut self.source else { return Some(bytes) };
        let bytes = if blank.is_empty() {
            bytes
        } else {
            blank.extend_from_slice(&bytes);
            Bytes::from(mem::take(blank))
        };
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let is_cut_mark = bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&bytes);
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if is_cut_mark || (first.is_none() && bytes.len() < BLANK) {
            self.source = Source::Unknown(bytes.to_vec());
            return None;
        }
        if first.is_some_and(|byte| matches!(byte, b'{' | b'[')) {
            self.source = Source::Whole(Vec::new());
            return Some(bytes.slice_ref(text));
        }
        self.source = Source::Events(Reader::default());
        Some(bytes)
    }

    /// What can be read only at the body's end: an answer that came in one piece.
    fn last(&mut self) -> Result<Flow, ModelError> {
        match &mut self.source {
            Source::Whole(whole) => {
                let whole = mem::take(whole);
                self.reader.whole(&String::from_utf8_lossy(without_bom(&whole)))
            }
            Source::Events(_) | Source::Unknown(_) => Ok(Flow::On),
        }
    }

    /// Passes on what a step brought.
    fn settle(&mut self, step: Result<Flow, ModelError>) {
        if !matches!(step, Ok(Flow::On)) {
            self.reader.flush();
        }
        // What was said before an error was said.
        let state = self.reader.state_mut();
        if let Some(model) = state.take_model() {
            self.events.push_back(Ok(ModelEvent::Model(model)));
        }
        let text = mem::take(&mut state.text);
        if !text.is_empty() {
            self.events.push_back(Ok(ModelEvent::Text(text)));
        }
        let hidden = mem::take(&mut state.hidden);
        if !hidden.is_zero() {
            self.events.push_back(Ok(ModelEvent::Hidden(hidden)));
        }
        if let Some(report) = state.take_report() {
            self.events.push_back(Ok(ModelEvent::Usage(report)));
        }
        let end = match step {
            Ok(Flow::On) => return,
            Ok(Flow::Ended) => self.reader.close(),
            Err(error) => Err(error),
        };
        let body = self.body.take();
        self.passing |= self.reader.state().passing;
        match end {
            Ok(events) => {
                self.events.extend(events.into_iter().map(Ok));
                if let Some(body) = body {
                    drain(body);
                }
            }
            Err(error) => self.events.push_back(Err(error)),
        }
    }
}

/// Reads a finished response to its end, because a connection whose response isn't can't be used again.
fn drain(mut body: Body) {
    if matches!(body.next().now_or_never(), Some(None | Some(Err(_)))) {
        return;
    }
    tokio::spawn(timeout(DRAIN.0, async move {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = body.next().await {
            bytes += chunk.len();
            if bytes > DRAIN.1 {
                break;
            }
        }
    }));
}
