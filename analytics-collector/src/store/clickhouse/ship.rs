//! How does every row get into the ClickHouse once?
//!
//! Segments are sent oldest first, block by block, and are given up only when the server has all of
//! them. A block that may have been sent before is asked for by its name first. Where that answer
//! comes too early, because the server is still busy with the block, its own memory of names
//! (`insert_deduplication_token`) drops the second one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use detect::span::DAY_US;

use super::ledger;
use super::parts::{Block, Parts, ROWS};
use super::schema::{BLOCK, Table};
use super::server::{Server, ServerError};
use super::tables::Tables;
use crate::question::Window;
use crate::store::arguments::Arguments;
use crate::store::error::StoreError;
use crate::store::keep;
use crate::store::open::Store;
use crate::store::probe::Step;
use crate::store::segment::Segment;
use crate::store::sql::Dialect;
use crate::store::table;

/// Rows that the server inserts at once at most; more than a block has.
const AT_ONCE: usize = 16 * ROWS;

/// Why nothing more was handed on.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// The server did not take it.
    #[error("ClickHouse does not take calls")]
    Server(#[from] ServerError),
    /// Our own files are in the way.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread ended half-way.
    #[error("a segment was not read to its end")]
    Broken,
}

/// Hands segments on.
#[derive(Debug)]
pub struct Shipper {
    store: Arc<Store>,
    server: Server,
    tables: Tables,
    /// Tells this folder's blocks from those of other collectors.
    writer: Vec<u8>,
    /// The tables are there.
    prepared: bool,
    /// Segments below this number may have been sent by an earlier life.
    new_from: u64,
    /// A segment of which nobody knows how far it was sent.
    unsure: Option<u64>,
}

impl Shipper {
    /// Nothing is sent yet. The folder's own name is read, or made.
    pub fn new(store: Arc<Store>, server: Server, tables: Tables) -> Result<Self, StoreError> {
        let writer = writer(&store.settings.folder)?;
        let new_from = store.next_segment();
        Ok(Self { store, server, tables, writer, prepared: false, new_from, unsure: None })
    }

    /// As if nothing of what is there had ever been sent.
    #[cfg(test)]
    pub(super) fn sure(mut self) -> Self {
        self.new_from = 0;
        self
    }

    /// Hands the oldest segment on, if there is one. Says how many rows it had. After an error the
    /// same one is tried again.
    pub async fn ship_once(&mut self) -> Result<u64, ShipError> {
        if !self.prepared {
            self.tables.prepare(&self.server).await?;
            self.prepared = true;
        }
        let Some(segment) = self.store.oldest() else { return Ok(0) };
        let (number, rows) = (segment.entry.number, segment.entry.rows);
        let unsure = number < self.new_from || self.unsure == Some(number);
        self.unsure = Some(number);
        self.send(segment, unsure).await?;
        let store = Arc::clone(&self.store);
        blocking(move || keep::hand_on(&store, number)).await?;
        self.unsure = None;
        Ok(rows)
    }

    /// Hands everything on that is there now.
    pub async fn catch_up(&mut self) -> Result<(), ShipError> {
        let store = Arc::clone(&self.store);
        blocking(move || keep::flush(&store)).await?;
        while self.ship_once().await? > 0 {}
        Ok(())
    }

    async fn send(&self, segment: Arc<Segment>, unsure: bool) -> Result<(), ShipError> {
        let rows = usize::try_from(segment.entry.rows).unwrap_or(usize::MAX);
        let writer = self.writer.clone();
        let parts = blocking(move || Parts::of(segment, &writer)).await?;
        for number in 0..rows.div_ceil(ROWS) {
            let of = parts.clone();
            for block in blocking(move || of.blocks(number)).await? {
                if !unsure || !self.is_there(&block).await? {
                    self.insert(block).await?;
                }
            }
        }
        Ok(())
    }

    async fn insert(&self, block: Block) -> Result<(), ShipError> {
        self.pass(Step::BlockSending)?;
        let columns = table::names().collect::<Vec<_>>().join(", ");
        let (table, name) = (self.tables.sql(Table::Events), &block.name);
        // Both the name and the block are ours, none of it was said by a caller.
        let sql = format!(
            "INSERT INTO {table} ({columns}, \"{BLOCK}\") SETTINGS async_insert = 0, \
             insert_deduplicate = 1, insert_deduplication_token = '{name}', \
             max_insert_block_size = {AT_ONCE}, min_insert_block_size_rows = {AT_ONCE}, \
             min_insert_block_size_bytes = 0 FORMAT Parquet"
        );
        self.server.insert(sql, block.file).await?;
        Ok(self.pass(Step::BlockStored)?)
    }

    /// Whether the server has a block, or counts of it. It has all of it then: somebody may have deleted
    /// single calls.
    async fn is_there(&self, block: &Block) -> Result<bool, ServerError> {
        let Window { since_us, until_us } = block.day;
        let (events, name) = (self.tables.sql(Table::Events), &block.name);
        let calls = format!(
            "SELECT count() FROM {events} \
             WHERE at_us >= {since_us} AND at_us < {until_us} AND \"{BLOCK}\" = '{name}'"
        );
        // INVARIANT: in this order. Calls are deleted after it was said in which counts they are.
        let mut found = self.number(&calls).await?;
        if found == 0 {
            let counted = ledger::counted(&self.tables, since_us.div_euclid(DAY_US), name);
            found = self.number(&counted).await?;
        }
        tracing::info!(
            block = block.name,
            rows = block.rows,
            found,
            "a block may have been sent before"
        );
        Ok(found > 0)
    }

    async fn number(&self, sql: &str) -> Result<u64, ServerError> {
        let said = self.server.rows(sql, "", &Arguments::of(Dialect::ClickHouse)).await?;
        said.first().and_then(|line| line.first()?.as_u64()).ok_or(ServerError::Odd)
    }

    fn pass(&self, step: Step) -> Result<(), StoreError> {
        let folder = &self.store.settings.folder;
        self.store.probe.pass(step).map_err(StoreError::io("go on in", folder))
    }
}

/// Reads the name of a folder, or makes one that no other has.
pub(super) fn writer(folder: &Path) -> Result<Vec<u8>, StoreError> {
    let path = &folder.join("writer.id");
    match fs::read(path) {
        Ok(writer) if writer.len() == 16 => Ok(writer),
        Ok(_) => {
            let source = io::Error::new(io::ErrorKind::InvalidData, "it is not 16 bytes");
            Err(StoreError::io("use", path)(source))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let writer = chassis::random::bytes::<16>().to_vec();
            let aside = path.with_extension("tmp");
            let written = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)
                .and_then(|mut file| file.write_all(&writer).and_then(|()| file.sync_all()));
            written.map_err(StoreError::io("write", &aside))?;
            fs::rename(&aside, path).map_err(StoreError::io("rename", &aside))?;
            Ok(writer)
        }
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ShipError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| ShipError::Broken)??)
}
