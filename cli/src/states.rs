//! `turnpike state`: how does a new gateway get its first configuration without a control plane?
//!
//! What gateways with certain labels should hold is written to a file, with the signature by which
//! they believe it. The file has secrets: only its owner may read it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use serde_json::json;
use turnpike_proto::STATE_FILE;
use turnpike_proto::admin::v1::ExportStateRequest;
use turnpike_proto::admin::v1::states_client::StatesClient;
use turnpike_proto::config::v1::Transaction;

use crate::failure::Failure;
use crate::output::Report;
use crate::rpc;

/// States of the configuration as files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write what gateways should hold to a file, signed; `gateway --state FILE` starts from it
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The file; one that is there is replaced
    file: PathBuf,
    /// A label of the gateways it is for; several: all that they have
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What was written.
#[derive(Default)]
struct Written {
    last: Transaction,
    objects: usize,
    bytes: Vec<u8>,
}

pub(crate) async fn run(connection: &rpc::Options, asked: &Command) -> Result<Report, Failure> {
    let Command::Export(asked) = asked;
    let wire = connection.control_plane()?;
    let labels: BTreeMap<String, String> = asked.labels.iter().cloned().collect();
    let mut client =
        StatesClient::new(wire.channel()).max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
    let request = ExportStateRequest { labels: labels.clone() };
    let parts = client.export(request).await.map_err(|status| wire.error(status))?;
    let mut parts = parts.into_inner();
    let mut written = Written { bytes: STATE_FILE.to_vec(), ..Written::default() };
    while let Some(response) = parts.message().await.map_err(|status| wire.error(status))? {
        let part = response.part.unwrap_or_default();
        written.bytes.extend_from_slice(&part.encode_length_delimited_to_vec());
        written.objects += part.upserts.len();
        written.last = Transaction { upserts: Vec::new(), ..part };
    }
    let Written { last, objects, bytes } = written;
    if last.more || last.signature.is_none() {
        return Err(wire.error(tonic::Status::data_loss("the state did not come whole")).into());
    }
    let failed = |source| Failure::NotWritten { file: asked.file.clone(), source };
    write(&asked.file, &bytes).map_err(failed)?;
    let value = json!({
        "file": asked.file, "labels": labels, "epoch": last.epoch, "revision": last.revision,
        "objects": objects, "bytes": bytes.len(),
    });
    let text = format!(
        "{}: revision {}, {objects} objects, {} bytes; it has secrets, keep it like a key",
        asked.file.display(),
        last.revision,
        bytes.len(),
    );
    Ok(Report::new(value).text(text))
}

/// Written aside and renamed, so that nobody reads half of it.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let aside = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)
}
