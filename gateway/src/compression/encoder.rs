//! How are bytes encoded?
//!
//! The levels are those at which each coding costs about as much processor time as gzip's middle
//! one: answers are compressed while clients wait.

use std::io::{self, Write as _};
use std::rc::Rc;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use turnpike_proto::config::v1::compression::Coding;

const GZIP_LEVEL: u32 = 5;
const BROTLI_QUALITY: i32 = 4;
/// Windows of 256 KiB (2^18), so that an encoder takes about a megabyte and no more.
const WINDOW_LOG: u32 = 18;
const ZSTD_LEVEL: i32 = 3;
/// Encoders at once of one worker; beyond, answers stay as they are.
const MOST_ENCODERS: usize = 64;
const BROTLI_BUFFER: usize = 4096;

/// The encoders of one worker.
#[derive(Debug, Default)]
pub struct Encoders(Rc<()>);

/// Bytes in, encoded bytes out.
pub(super) struct Encoder {
    work: Work,
    /// Counted as long as it lives.
    _place: Rc<()>,
}

enum Work {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoders {
    /// A new encoder; `None`: there are enough.
    pub(super) fn start(&self, coding: Coding) -> Option<Encoder> {
        if Rc::strong_count(&self.0) > MOST_ENCODERS {
            return None;
        }
        let out = Vec::new();
        let work = match coding {
            Coding::Gzip => Work::Gzip(Box::new(GzEncoder::new(out, Compression::new(GZIP_LEVEL)))),
            Coding::Br => {
                let params = BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: i32::try_from(WINDOW_LOG).unwrap_or(18),
                    ..BrotliEncoderParams::default()
                };
                Work::Brotli(Box::new(CompressorWriter::with_params(out, BROTLI_BUFFER, &params)))
            }
            Coding::Zstd => {
                let mut zstd = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL).ok()?;
                zstd.window_log(WINDOW_LOG).ok()?;
                Work::Zstd(Box::new(zstd))
            }
        };
        Some(Encoder { work, _place: Rc::clone(&self.0) })
    }
}

impl Encoder {
    /// Takes bytes in.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.work {
            Work::Gzip(work) => work.write_all(bytes),
            Work::Brotli(work) => work.write_all(bytes),
            Work::Zstd(work) => work.write_all(bytes),
        }
    }

    /// Lets everything out that was taken in.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.work {
            Work::Gzip(work) => work.flush(),
            Work::Brotli(work) => work.flush(),
            Work::Zstd(work) => work.flush(),
        }
    }

    /// How many encoded bytes there are.
    pub(super) fn ready(&self) -> usize {
        match &self.work {
            Work::Gzip(work) => work.get_ref().len(),
            Work::Brotli(work) => work.get_ref().len(),
            Work::Zstd(work) => work.get_ref().len(),
        }
    }

    /// The encoded bytes that there are.
    pub(super) fn take(&mut self) -> Bytes {
        let out = match &mut self.work {
            Work::Gzip(work) => work.get_mut(),
            Work::Brotli(work) => work.get_mut(),
            Work::Zstd(work) => work.get_mut(),
        };
        Bytes::from(std::mem::take(out))
    }

    /// The last encoded bytes.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        let out = match self.work {
            Work::Gzip(work) => work.finish()?,
            Work::Brotli(work) => work.into_inner(),
            Work::Zstd(work) => work.finish()?,
        };
        Ok(Bytes::from(out))
    }
}
