//! Ends a call at its deadline by the wall clock.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Instant,
};

use crate::fuel::PauseCheck;

/// The deadline passed before the future was ready.
#[derive(Debug)]
pub struct Elapsed;

/// Awaits a future until the deadline. The clock is read before the future is polled. Otherwise a guest that never waits
/// would get one more turn after its deadline.
pub async fn before<T>(
    deadline: Instant,
    pause_check: &PauseCheck,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut timer = pin!(tokio::time::sleep_until(deadline.into()));
    let mut waits = false;
    poll_fn(|context| {
        // A call that ends in its first turn needs no clock.
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
