//! `/api/chat` when more questions come than the host can answer: what is answered, how soon, and how soon the others are
//! refused. The load generator and the upstream share the processors with the host.

use std::{path::Path, time::Duration};

use anyhow::Result;
use resly_tests::load::{Seen, closed_loop, open_loop};

use crate::{
    chat::{CLIENTS, question_to, quiet_host, start_upstream},
    median,
    table::Table,
};

const ROUNDS: usize = 3;
const STRETCH: Duration = Duration::from_secs(4);
/// Multiples of the closed loop's rate.
const TIMES: [f64; 3] = [1.5, 4.0, 10.0];

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let (_upstream, address) = start_upstream().await?;
    let host = quiet_host(binary, address).await?;
    let target = question_to(&host, "How do I rotate an API key? Answer instantly.");
    closed_loop(&target, CLIENTS, Duration::from_secs(1)).await?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        rates.push(closed_loop(&target, CLIENTS, STRETCH).await?.per_second());
    }
    let most = median(&mut rates);
    table.row("overload", &format!("closed loop, {CLIENTS} clients"), format!("{most:.0} requests/s"));
    for times in TIMES {
        let mut stretches = Vec::new();
        for _ in 0..ROUNDS {
            stretches.push(open_loop(&target, (most * times) as u32, STRETCH).await?);
        }
        let middle = |of: &dyn Fn(&Seen) -> f64| median(&mut stretches.iter().map(of).collect::<Vec<_>>());
        let millis = |micros: u64| micros as f64 / 1000.0;
        let answered = middle(&|seen| seen.per_second());
        let first = |at| middle(&|seen| millis(seen.first.value_at_quantile(at)));
        let shed = |at| middle(&|seen| millis(seen.shed.value_at_quantile(at)));
        let name = format!("overload, {times} times that");
        table.row(
            &name,
            "answered",
            format!(
                "{answered:.0} requests/s ({:.0} %), first byte p50 {:.1} ms, p99 {:.1} ms",
                answered / most * 100.0,
                first(0.5),
                first(0.99)
            ),
        );
        table.row(&name, "refused", format!("after p50 {:.1} ms, p99 {:.1} ms", shed(0.5), shed(0.99)));
        let (shed, failed) =
            stretches.iter().fold((0, 0), |(shed, failed), seen| (shed + seen.shed.len(), failed + seen.failed as u64));
        table.note(format!("{name}: {shed} refused, {} failed otherwise", failed - shed));
    }
    Ok(())
}
