//! Foreign documents read in a fresh instance of the bundled guest, beside the same code natively.

use std::{hint::black_box, time::Instant};

use anyhow::{Result, anyhow, ensure};
use resly_core::knowledge::document::{Document, Extractor};
use resly_plugin_extract as native;
use resly_sandbox::ExtractBounds;
use resly_tests::{
    documents::{docx, html, pdf},
    guest::{Guests, ORGANIZATION},
};

use crate::{median, table::Table};

const ROUNDS: usize = 9;

pub async fn run(table: &mut Table) -> Result<()> {
    let guests = Guests::load()?;
    let extractor = guests.extractor(ExtractBounds::default());
    let document = |bytes: &[u8]| Document { bytes: bytes.to_vec().into(), content_type: None, name: None };
    let started = Instant::now();
    drop(extractor.extract(ORGANIZATION.into(), document(b"first")).await);
    let compiled = started.elapsed().as_millis();
    table.row("documents", "the first one, with compiling the guest", format!("{compiled} ms"));
    for (what, bytes, rounds) in [
        ("a page of 50 KB", html(85), ROUNDS),
        ("a PDF of 10 pages", pdf(10), ROUNDS),
        ("a PDF of 1500 pages", pdf(1_500), 1),
        ("a Word document of 200 parts", docx(200), ROUNDS),
    ] {
        let what = format!("{what} ({} KB)", bytes.len() >> 10);
        let reading = extractor.extract(ORGANIZATION.into(), document(&bytes)).await;
        let extracted = reading.result.map_err(|error| anyhow!("{what}: {error}"))?;
        let direct = native::extract(native::Document { bytes: &bytes, content_type: None, name: None });
        ensure!(direct.is_ok_and(|direct| direct.text == extracted.text), "{what}: the guest reads something else");
        let (mut fresh, mut natively) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (document, started) = (document(&bytes), Instant::now());
            drop(black_box(extractor.extract(ORGANIZATION.into(), document).await));
            fresh.push(started.elapsed().as_secs_f64() * 1e3);
            let started = Instant::now();
            let document = native::Document { bytes: &bytes, content_type: None, name: None };
            drop(black_box(native::extract(document)));
            natively.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let (fresh, natively) = (median(&mut fresh), median(&mut natively));
        table.row(&what, "fresh instance", format!("{fresh:.1} ms, {} million fuel", reading.fuel / 1_000_000));
        table.row(&what, "the same code natively", format!("{natively:.1} ms"));
    }
    Ok(())
}
