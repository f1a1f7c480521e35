//! The wall clock's end of a call.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Instant,
};

use crate::fuel::PauseCheck;

/// The deadline came first.
#[derive(Debug)]
pub struct Elapsed;

/// Awaits a future until the deadline. The clock is asked before the future is: a guest that never waits would
/// otherwise get one more turn after its deadline.
pub async fn before<T>(
    deadline: Instant,
    pause_check: &PauseCheck,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut timer = pin!(tokio::time::sleep_until(deadline.into()));
    let mut waits = false;
    poll_fn(|context| {
        // Nothing is asked of the clock in a call that is answered in its first turn.
        if waits && Instant::now() >= deadline {
            return Poll::Ready(Err(Elapsed));
        }
        if waits {
            pause_check.resume();
        }
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        waits = true;
        timer.as_mut().poll(context).map(|()| Err(Elapsed))
    })
    .await
}
