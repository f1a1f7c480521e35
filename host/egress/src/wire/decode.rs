//! Decodes content codings while a body arrives, up to a limit, so that a small body can't become a large one in
//! memory.

use std::io::{self, Write};

use brotli_decompressor::{BrotliDecoderParameter, DecompressorWriter};
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// The `Accept-Encoding` of every request. Without Zstandard: its decoder is C that would read what strangers send, and what
/// answers with it answers with gzip as well.
pub const ACCEPTED: &str = "gzip, br";

const BUFFER: usize = 16 << 10;

/// Why a body can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the service encoded its response as `{0}`, which it wasn't asked for")]
    Unknown(String),
    #[error("the service's response is not the {0} it says it is")]
    Corrupt(&'static str),
}

/// The decoded bytes, up to the limit.
struct Sink {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let room = self.most - self.bytes.len();
        if buffer.len() > room {
            self.bytes.extend_from_slice(&buffer[..room]);
            self.full = true;
            return Err(io::Error::other("the cap is reached"));
        }
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Coding {
    Identity(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Box<ZlibDecoder<Sink>>),
    Brotli(Box<DecompressorWriter<Sink>>),
}

/// Decodes one body.
pub struct Decoder {
    coding: Coding,
    started: bool,
}

impl Decoder {
    /// A decoder for a response with these headers. It keeps at most `most` decoded bytes.
    pub fn new(headers: &HeaderMap, most: usize) -> Result<Self, DecodeError> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        let coding = codings.next().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase());
        let coding = coding.unwrap_or_default();
        if codings.next().is_some() {
            return Err(DecodeError::Unknown("several codings".to_owned()));
        }
        let sink = Sink { bytes: Vec::new(), most, full: false };
        let coding = match coding.as_str() {
            "" | "identity" => Coding::Identity(sink),
            "gzip" | "x-gzip" => Coding::Gzip(Box::new(MultiGzDecoder::new(sink))),
            "deflate" => Coding::Deflate(Box::new(ZlibDecoder::new(sink))),
            "br" => {
                let mut decoder = DecompressorWriter::new(sink, BUFFER);
                // Only RFC 7932's windows. HTTP doesn't allow larger ones.
                if !decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0) {
                    return Err(DecodeError::Corrupt("brotli"));
                }
                Coding::Brotli(Box::new(decoder))
            }
            // The name is quoted as a whole or not at all, because redaction doesn't recognise a part of a secret.
            other if other.len() <= 40 => return Err(DecodeError::Unknown(other.to_owned())),
            _ => return Err(DecodeError::Unknown("something else".to_owned())),
        };
        Ok(Self { coding, started: false })
    }

    /// Decodes the next bytes. False when the limit is reached and no more bytes are needed.
    pub fn write(&mut self, chunk: &[u8]) -> Result<bool, DecodeError> {
        self.started |= !chunk.is_empty();
        let written = match &mut self.coding {
            Coding::Identity(sink) => sink.write_all(chunk),
            Coding::Gzip(decoder) => decoder.write_all(chunk),
            Coding::Deflate(decoder) => decoder.write_all(chunk),
            Coding::Brotli(decoder) => decoder.write_all(chunk),
        };
        match written {
            Ok(()) => Ok(true),
            Err(_) if self.sink().full => Ok(false),
            Err(_) => Err(DecodeError::Corrupt(self.name())),
        }
    }

    /// The decoded bytes of a body that has ended or was cut.
    pub fn finish(mut self) -> Result<Vec<u8>, DecodeError> {
        if !self.started {
            // A response to HEAD, 204 or 304 may name a coding and have no body.
            return Ok(Vec::new());
        }
        if !self.sink().full {
            let flushed = match &mut self.coding {
                Coding::Identity(_) => Ok(()),
                Coding::Gzip(decoder) => decoder.try_finish(),
                Coding::Deflate(decoder) => decoder.try_finish(),
                Coding::Brotli(decoder) => decoder.close(),
            };
            if flushed.is_err() && !self.sink().full {
                return Err(DecodeError::Corrupt(self.name()));
            }
        }
        let sink = match self.coding {
            Coding::Identity(sink) => sink,
            Coding::Gzip(mut decoder) => take(decoder.get_mut()),
            Coding::Deflate(mut decoder) => take(decoder.get_mut()),
            Coding::Brotli(decoder) => decoder.into_inner().unwrap_or_else(|sink| sink),
        };
        Ok(sink.bytes)
    }

    fn sink(&self) -> &Sink {
        match &self.coding {
            Coding::Identity(sink) => sink,
            Coding::Gzip(decoder) => decoder.get_ref(),
            Coding::Deflate(decoder) => decoder.get_ref(),
            Coding::Brotli(decoder) => decoder.get_ref(),
        }
    }

    fn name(&self) -> &'static str {
        match &self.coding {
            Coding::Identity(_) => "text",
            Coding::Gzip(_) => "gzip",
            Coding::Deflate(_) => "deflate",
            Coding::Brotli(_) => "brotli",
        }
    }
}

/// Takes the sink out of a decoder. When the decoder is dropped, it may still write an end mark, which is discarded.
fn take(sink: &mut Sink) -> Sink {
    let full = Sink { bytes: Vec::new(), most: 0, full: true };
    std::mem::replace(sink, full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coding: &'static str, chunks: &[&[u8]], most: usize) -> Result<Vec<u8>, DecodeError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, http::HeaderValue::from_static(coding));
        let mut decoder = Decoder::new(&headers, most)?;
        for chunk in chunks {
            if !decoder.write(chunk)? {
                break;
            }
        }
        decoder.finish()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// `brotli -c` of 64 MiB of zeros.
    const BROTLI_BOMB: &[u8] = include_bytes!("../../tests/data/zeros-64m.br");
    /// `brotli -c` of `hello`.
    const BROTLI_HELLO: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

    #[test]
    fn each_coding_is_decoded_whatever_the_chunks() {
        let plain = b"hello".as_slice();
        let bodies = [
            ("identity", plain.to_vec()),
            ("gzip", gzip(plain)),
            ("x-gzip", [gzip(b"he"), gzip(b"llo")].concat()),
            ("deflate", zlib(plain)),
            ("br", BROTLI_HELLO.to_vec()),
        ];
        for (coding, body) in &bodies {
            for size in [1, 3, 1000] {
                let chunks: Vec<&[u8]> = body.chunks(size).collect();
                assert_eq!(decoded(coding, &chunks, 100).as_deref(), Ok(plain), "{coding} in {size}s");
            }
            assert_eq!(decoded(coding, &[], 100), Ok(Vec::new()), "{coding}, empty");
        }
    }

    #[test]
    fn bombs_end_at_the_cap() {
        let zeros = vec![0; 64 << 20];
        let bombs = [
            ("gzip", gzip(&zeros)),
            ("deflate", zlib(&zeros)),
            ("br", BROTLI_BOMB.to_vec()),
            ("identity", zeros.clone()),
        ];
        for (coding, bomb) in &bombs {
            let out = decoded(coding, &[bomb], 100_000).unwrap();
            assert_eq!(out.len(), 100_000, "{coding}");
            assert!(out.capacity() < 1 << 20, "{coding}");
        }
    }

    #[test]
    fn what_is_not_the_coding_it_says_is_an_error() {
        for coding in ["gzip", "deflate", "br"] {
            assert!(
                matches!(decoded(coding, &[b"{\"plain\":true} and more"], 100), Err(DecodeError::Corrupt(_))),
                "{coding}"
            );
        }
        // An empty stream with the largest of the large windows, a gigabyte, which is an extension.
        assert!(matches!(decoded("br", &[&[0x11, 0xde]], 100), Err(DecodeError::Corrupt(_))));
        let cut = gzip(b"hello");
        assert!(decoded("gzip", &[&cut[..cut.len() - 4]], 100).is_err());
        for coding in ["gzip, gzip", "compress", "zstd", "aws-chunked"] {
            assert!(matches!(decoded(coding, &[b"x"], 100), Err(DecodeError::Unknown(_))), "{coding}");
        }
    }
}
