//! The identity of a span, and how it travels in a request (W3C Trace Context, "Traceparent Header").

use std::fmt;

use crate::time::Random;

/// All that one request caused, on every host that took part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// One span of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// What those below a span have to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    pub trace: TraceId,
    pub span: SpanId,
    /// Whether the spans of this trace are exported.
    pub sampled: bool,
}

impl TraceId {
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The half of it that is random in the ids of every vendor.
    pub fn low(self) -> u64 {
        u64::from_be_bytes(self.0[8..].first_chunk().copied().unwrap_or_default())
    }
}

impl SpanId {
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl SpanContext {
    /// Reads a `traceparent` header. `None` when it isn't one; then the request begins a trace, as the standard has it.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let (version, rest) = (bytes::<1>(traceparent.get(..2)?)?, traceparent.get(2..)?);
        let mut parts = rest.strip_prefix('-')?.splitn(4, '-');
        let (trace, span, flags) = (bytes(parts.next()?)?, bytes(parts.next()?)?, bytes::<1>(parts.next()?)?);
        // Later versions may add parts. The version 255 is forbidden.
        let known = version == [0] && parts.next().is_none() || (1..255).contains(&version[0]);
        let valid = known && trace != [0; 16] && span != [0; 8];
        valid.then_some(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags[0] & 1 == 1 })
    }
}

/// Bytes in hex, in small letters.
fn bytes<const LENGTH: usize>(hex: &str) -> Option<[u8; LENGTH]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; LENGTH];
    if hex.len() != LENGTH * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_traceparent_is_read() {
        for (version, flags, more, sampled) in
            [("00", "01", "", true), ("00", "00", "", false), ("00", "03", "", true), ("01", "01", "-later", true)]
        {
            let context = SpanContext::parse(&format!("{version}-{TRACE}-{SPAN}-{flags}{more}")).unwrap();
            assert_eq!((context.trace.to_string(), context.span.to_string()), (TRACE.to_owned(), SPAN.to_owned()));
            assert_eq!(context.sampled, sampled, "{flags}");
        }
    }

    #[test]
    fn what_is_no_traceparent_is_ignored() {
        let zeros = "0".repeat(32);
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{TRACE}x-{SPAN}-01"),
            format!("00-{}é-{SPAN}-01", &TRACE[..30]),
            format!("é0-{TRACE}-{SPAN}-01"),
            format!(" 00-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(SpanContext::parse(&wrong), None, "{wrong}");
        }
    }
}
